"""What may lie in the repository: known kinds of small files, without addresses or chatter."""

import codecs
import re
from pathlib import Path

from tests.style.repository import ROOT, files, files_named, text

BYTES = 1024 * 1024
COLUMNS = 100
# In a contract a field and what it means stand on one line.
PROTO_COLUMNS = 120
KINDS = {
    ".conf", ".css", ".csv", ".html", ".in", ".js", ".json", ".md", ".po", ".proto", ".py", ".sh",
    ".svg", ".toml", ".txt", ".typed", ".yaml", ".yml",
}  # fmt: skip
PICTURES = {".png"}
"""Screenshots: what a page looks like is said best so."""

NAMES = {".gitignore", ".nsmlignore", "LICENSE", "Makefile", "Dockerfile"}

# Turned by thirteen letters, so that this file does not find itself: addresses of registries,
# paths of one machine, work left undone, and words on how the work was organised.
BANNED = tuple(
    re.compile(codecs.decode(word, "rot13"))
    for word in (
        r"clcv\.bet",
        r"clgubaubfgrq\.bet",
        r"(?<!rzvg-)vaqrk-hey",
        r"/jbex/(?:znva|funerq)",
        r"(?<![\j$}])/ebbg/",
        r"(?<![\j$}])/ubzr/\j",
        r"(?<![\j$}])/gzc/\j",
        r"\oGBQB\o",
        r"\oSVKZR\o",
        r"\oKKK\o",
        r"(?v)\onv nffvfgnag",
        r"(?v)\opbqvat (?:nffvfgnag|ntrag)",
        r"(?v)\ourycre frffvba",
        r"(?v)\ofho-?ntrag",
        r"(?v)\ouhzna (?:erivrjre|bcrengbe)",
    )
)


def test_file_kinds_are_known() -> None:
    strange = [
        str(path)
        for path in files()
        if path.suffix not in KINDS | PICTURES and path.name not in NAMES and not is_program(path)
    ]

    assert strange == []


def test_files_are_small() -> None:
    assert [str(path) for path in files() if (ROOT / path).stat().st_size > BYTES] == []


def test_nothing_banned_is_said() -> None:
    said = [
        f"{path}:{number}: {line.strip()}"
        for path in files()
        if path.suffix not in PICTURES
        for number, line in enumerate(text(path).splitlines(), start=1)
        for word in BANNED
        if word.search(line)
    ]

    assert said == []


def test_lines_fit() -> None:
    """Ruff watches Python; this watches what ruff does not read."""
    wide = [
        f"{path}:{number}"
        for path in (*files_named("*.proto", "*.toml", "Makefile"), *filter(is_program, files()))
        for number, line in enumerate(text(path).splitlines(), start=1)
        if len(line) > (PROTO_COLUMNS if path.suffix == ".proto" else COLUMNS)
    ]

    assert wide == []


def test_requirements_are_pinned_hashed_and_without_address() -> None:
    pinned = re.compile(
        r"[A-Za-z0-9._-]+==[^\s;]+(?: ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?"
    )
    odd = [
        f"{path}: {line}"
        for path in files_named("requirements/*.txt")
        for line in text(path).splitlines()
        if not pinned.fullmatch(line)
    ]

    assert odd == []


def is_program(path: Path) -> bool:
    """Tell whether a file without suffix says who runs it."""
    return not path.suffix and text(path).startswith("#!")
