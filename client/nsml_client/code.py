"""The folder of code that becomes a session: its entry, its files, and what limits it."""

import re
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_client import trees
from nsml_client.modes import Calls
from nsml_core.errors import Invalid, NotFound

if TYPE_CHECKING:  # they come with grpcio, and are needed only once something is sent
    from nsml_core import blobs
    from nsml_core.blobs.scan import Found


_PACKAGE_FILES = ("nsml_package.txt", "nova_package.txt")
_REGISTRY = re.compile(r"#\s*registry\s+\S")


def check_entry(folder: Path, entry: str) -> str:
    """Return the entry relative to the folder; it must be there, and compile if it is Python."""
    file = folder / entry
    try:
        inside = file.resolve().relative_to(folder.resolve())
    except ValueError:
        raise Invalid(
            f"The entry {entry!r} is outside of this folder: go to the folder of your code first."
        ) from None
    if not file.is_file():
        raise NotFound(
            f"There is no entry {entry!r} in {folder}: name your script, such as -e train.py."
        )
    if file.suffix == ".py":
        _compile(file, entry)
    return inside.as_posix()


def holding_tokens(folder: Path) -> list[str]:
    """Return which files that would be sent hold a registry's token, in plain text."""
    from nsml_core.blobs import ignore

    left_out = ignore.rules(folder)
    there = [name for name in _PACKAGE_FILES if (folder / name).is_file()]
    return [
        name
        for name in there
        if not left_out(name, False)
        and _REGISTRY.match((folder / name).read_text(errors="replace").lstrip())
    ]


def _compile(file: Path, entry: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(file.read_bytes(), entry, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # the latter for null bytes, before Python 3.12
        line = getattr(error, "lineno", None)
        where = f"{entry} line {line}" if line else entry
        what = getattr(error, "msg", None) or error
        raise Invalid(f"{where} does not compile ({what}): nothing was sent.") from None


async def push(
    calls: Calls, folder: Path, entry: str, progress: trees.Progress | None
) -> "blobs.Tree":
    """Send what of the folder is missing; what will not do is refused before it is read."""
    from nsml_core.blobs import ignore

    def check(found: "Sequence[Found]") -> None:
        ignore.check_limits(found)
        if not found:
            raise Invalid(f"There is nothing to send in {folder}.")
        if entry and not any(item.path == entry for item in found):
            raise Invalid(f"The entry {entry!r} is left out: take it back in {ignore.FILE}.")

    rules = await calls.aside(partial(ignore.rules, folder))
    return await trees.push(calls, folder, rules, check, progress)
