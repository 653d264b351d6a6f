"""What code of NSML asks for and a process cannot have: a container image, system packages."""

import re
from collections.abc import Iterator
from pathlib import Path

_IMAGE = re.compile(r"#\s*!?(?:nsml|nova)\s*:\s*(\S{1,200})\s*$")
_REGISTRY = re.compile(r"#\s*registry\s")
_IMAGE_FILES = ("setup.py", "requirements.txt")
_PACKAGE_FILES = ("nsml_package.txt", "nova_package.txt")
_SHOWN = 10


def notes(code: Path, asked: str = "") -> Iterator[str]:
    """Say what is not had, in a sentence, and which file holds a secret; never the secret."""
    wanted = [f"image {name!r}" for name in ([asked] if asked else images(code))]
    wanted += [f"system packages {_short(names)}" for names in packages(code) if names]
    if wanted:
        yield (
            f"Not here: {' and '.join(wanted)}. The code runs as a process of this node with the "
            "Python packages that it asks for: name there what else it imports."
        )
    yield from secrets(code)


def secrets(code: Path) -> Iterator[str]:
    """Say which file holds a registry's token; never the token."""
    for name in _PACKAGE_FILES:
        if any(map(_REGISTRY.match, _lines(code / name)[:1])):
            yield (
                f"{name} holds a registry's token in plain text, which is not used here: take it "
                "out, and make the token invalid, since it is stored with the code."
            )


def images(code: Path) -> Iterator[str]:
    for name in _IMAGE_FILES:
        for line in _lines(code / name)[:1]:
            if found := _IMAGE.match(line):
                yield found[1]


def packages(code: Path) -> Iterator[list[str]]:
    """Yield the system packages that each file names."""
    for name in _PACKAGE_FILES:
        yield [line for line in _lines(code / name) if line and not line.startswith("#")]


def _short(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(each[:50]) for each in names[:_SHOWN]) + more


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    return [line.strip() for line in file.read_text(errors="replace").splitlines()]
