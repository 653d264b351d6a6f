"""Looks into an image: which Python it has, and what is installed in that; asked once for each."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nsml_core.errors import Invalid
from nsml_runner import sdk_files
from nsml_runner.box import Box
from nsml_runner.containers import Engine
from nsml_runner.streams import frames

_LOOK = """
import importlib.metadata, importlib.util, json, sys
found = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
has = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is not None]
print(json.dumps({
    "path": sys.executable,
    "python": "%d.%d" % sys.version_info[:2],
    "packages": sorted("%s==%s" % each for each in found.items() if all(each)),
    "has": has,
}))
"""
_FIND = (
    'python=$(command -v python3 || command -v python) || exit 44; exec "$python" -I -c "$0" "$@"'
)
_NO_PYTHON = (44, 127)  # and no shell either


@dataclass(frozen=True, slots=True)
class Probe:
    path: str
    """The interpreter; empty: there is none."""

    python: str
    """Its version, such as 3.11."""

    packages: tuple[str, ...]
    """As name==version."""

    has: tuple[str, ...]
    """Which of the modules that matter here it can import."""

    @property
    def has_pip(self) -> bool:
        return "pip" in self.has


def probe(engine: Engine, box: Box, image: str, notes: Path) -> Probe:
    note = notes / f"{image.partition(':')[2]}.json"
    if found := _noted(note):
        return found
    names = ("pip", *sdk_files.names())
    code, output = run(engine, replace(box, image=image), ["sh", "-c", _FIND, _LOOK, *names])
    if code in _NO_PYTHON:
        return Probe("", "", (), ())
    try:
        seen = _read(json.loads(output))
    except (ValueError, KeyError, TypeError):
        why = output.decode(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
        raise Invalid(f"The Python of the image cannot be used: {why[0][:300]}") from None
    notes.mkdir(parents=True, exist_ok=True)
    unfinished = note.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(seen)))
    unfinished.replace(note)
    return seen


def _read(values: dict[str, Any]) -> Probe:
    return Probe(
        str(values["path"]),
        str(values["python"]),
        tuple(map(str, values["packages"])),
        tuple(map(str, values["has"])),
    )


def _noted(note: Path) -> Probe | None:
    try:
        return _read(json.loads(note.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run(engine: Engine, box: Box, argv: Sequence[str]) -> tuple[int, bytes]:
    """Run a program in a container of its own; return its exit code and all that it printed."""
    container = engine.create(replace(box, network="none"), argv, "/")
    try:
        stream = engine.attach(container)
        engine.start(container)
        output = b"".join(data for _, data in frames(stream))
        stream.close()
        return engine.wait(container).code, output
    finally:
        engine.remove(container)
