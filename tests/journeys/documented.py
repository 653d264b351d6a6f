"""The JSON shapes that docs/cli.md promises, read from its table."""

import re
from collections.abc import Iterator
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs/cli.md"
_ROW = re.compile(r"\| (?P<of>[^|]+) \| (?P<kind>[^|]+) \| (?P<fields>[^|]+) \|")


def fields(command: str) -> set[str]:
    """Return the names of the fields that a command prints, such as `ps`, or `— outcome`."""
    return set(_names(_rows()[command]))


def _rows() -> dict[str, str]:
    text = _PAGE.read_text().partition("## JSON")[2].partition("\n## ")[0]
    rows = {found["of"].replace("`", ""): found["fields"] for found in _ROW.finditer(text)}
    return {name: row for shown, row in rows.items() for name in _spellings(shown)}


def _spellings(shown: str) -> Iterator[str]:
    """Yield what a row is about: `dataset ls, search` is about both."""
    yield shown
    yield shown.partition(" (")[0].partition(", ")[0]


def _names(row: str) -> Iterator[str]:
    own = row.partition("; ")[0]
    for taken in re.findall(r"fields of `(\w+)`", own):
        yield from fields({"ls": "dataset ls"}.get(taken, taken))
    own = re.sub(r".*and: |as in `\w+`", "", own)
    yield from re.findall(r"\w+", own)
