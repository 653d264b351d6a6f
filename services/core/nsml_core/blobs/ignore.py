"""What of a folder of code is left out, and how much code is too much."""

from collections.abc import Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from nsml_core.blobs.scan import Found, Ignore
from nsml_core.errors import Exhausted, Invalid

FILE = ".nsmlignore"
PERIFLOW_FILE = ".pfignore"

DEFAULTS = (
    ".git/", ".hg/", ".svn/", ".nsml/",
    "__pycache__/", "*.py[cod]", "*.egg-info/", ".eggs/",
    ".venv/", "venv/", ".tox/", ".nox/", "node_modules/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".ipynb_checkpoints/",
    ".idea/", ".vscode/", ".DS_Store", "Thumbs.db", "*.swp", "*~",
    "wandb/", "mlruns/",
)  # fmt: skip
"""Left out unless `.nsmlignore` takes it back, with `!pattern`."""

FILES_MAX = 10_000
BYTES_MAX = 500 << 20

_OFFENDERS = 3


def rules(folder: Path, defaults: Sequence[str] = DEFAULTS) -> Ignore:
    """Return the rules of this folder: the defaults, then its own (as `.gitignore`).

    A workspace of PeriFlow has `.pfignore`; what `.nsmlignore` says comes after it.
    """
    own = (*_own(folder / PERIFLOW_FILE), *_own(folder / FILE))
    spec = GitIgnoreSpec.from_lines([*defaults, *own])
    return lambda path, is_directory: spec.match_file(path + "/" if is_directory else path)


def _own(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8: save it as such.") from None


def check_limits(found: Sequence[Found], *, files: int = FILES_MAX, size: int = BYTES_MAX) -> None:
    """Refuse more than a folder of code may hold, and name what weighs most."""
    total = sum(item.signature.size for item in found)
    if len(found) <= files and total <= size:
        return
    by_count = len(found) > files
    weights: dict[str, int] = {}
    for item in found:
        head = item.path.split("/", 1)[0] + ("/" if "/" in item.path else "")
        weights[head] = weights.get(head, 0) + (1 if by_count else item.signature.size)
    largest = sorted(weights, key=lambda head: -weights[head])[:_OFFENDERS]
    unit = "{} files" if by_count else "{} MB"
    shown = ", ".join(
        f"{head} ({unit.format(weights[head] if by_count else round(weights[head] / 1e6))})"
        for head in largest
    )
    limit = f"{files} files" if by_count else f"{round(size / 1e6)} MB"
    raise Exhausted(
        f"This folder is over the limit of {limit} for code; most is in {shown}: "
        f"name what is not code in {FILE}, and push data as a dataset."
    )
