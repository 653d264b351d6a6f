"""Environments to the letter: what is installed in one, and how the same is asked for again."""

import hashlib
import importlib.metadata
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nsml_runner.requirements import Needs, interpreter

_MISSING = re.compile(r"No matching distribution found for (\S+)")
_CHANGED = "DO NOT MATCH THE HASHES"
_AT_WORK = re.compile(r"^(?:Collecting|Processing) (\S+)", re.MULTILINE)
_WHAT_ELSE = "`--new-environment` of `nsml resume` and `nsml fork` resolves its requirements anew"


@dataclass(frozen=True, slots=True)
class Pins:
    """Packages exactly, as an attempt of the past recorded them."""

    needs: Needs
    """Of the code that they belong to: it says where packages come from."""

    packages: tuple[str, ...]

    def key(self, code_tree: str, above: str = "") -> str:
        """Return a name by content: whatever led to these packages, they are there once."""
        content = [above or interpreter(), *self.needs.options, *sorted(self.packages)]
        if any(" @ ./" in pin for pin in self.packages):
            content.append(code_tree)
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:32]

    def requirements(self) -> str:
        """Return them as a file for the installer."""
        asked = [pin.partition(" @ ")[2] if " @ ./" in pin else pin for pin in self.packages]
        return "\n".join([*self.needs.options, *asked])

    def explain(self, printed: str, last: str) -> str:
        """Say which package the installer gave up on, and why."""
        if missing := _MISSING.findall(printed):
            return self._sentence(f"{missing[-1]} was not found where packages come from")
        at_work = (_AT_WORK.findall(printed) or self.packages)[-1]
        package = next((pin for pin in self.packages if at_work in pin), at_work)
        name = package.partition(" @ ")[0]
        if _CHANGED in printed:
            return self._sentence(f"{name} is not what it was, its hash has changed")
        return self._sentence(f"{name} could not be installed ({last})")

    @staticmethod
    def _sentence(why: str) -> str:
        return f"The environment cannot be rebuilt: {why}; {_WHAT_ELSE}."


def python() -> str:
    """Return the version of the interpreter that user code gets, as it matters to packages."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def other_python(wanted: str, has: str = "") -> str:
    """Say why an environment of another interpreter cannot be had here, or in this image."""
    there = f"the image has {has}" if has else f"this node has {python()}"
    return f"The environment cannot be rebuilt: it had Python {wanted}, and {there}; {_WHAT_ELSE}."


def installed(folder: Path, code: Path) -> tuple[list[str], list[str]]:
    """Return what an environment holds: as name==version, and as what installs the same again."""
    sites = [str(site) for site in folder.glob("lib*/python*/site-packages")]
    versions, pins = set(), set()
    for package in importlib.metadata.distributions(path=sites):
        version = f"{package.name}=={package.version}"
        origin = package.read_text("direct_url.json")
        versions.add(version)
        pins.add(f"{package.name} @ {_origin(json.loads(origin), code)}" if origin else version)
    return _ordered(versions), _ordered(pins)


def _ordered(lines: set[str]) -> list[str]:
    return sorted(lines, key=str.lower)


def _origin(direct: dict[str, Any], code: Path) -> str:
    """Return where a package came from, if not from an index; within the code, as seen from it."""
    url = str(direct["url"])
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        if path.is_relative_to(code.resolve()):
            return f"./{path.relative_to(code.resolve()).as_posix()}"
    if vcs := direct.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    hashes = direct.get("archive_info", {}).get("hashes", {})
    extras = [f"{name}={value}" for name, value in sorted(hashes.items()) if name == "sha256"]
    if folder := direct.get("subdirectory"):
        extras.append(f"subdirectory={folder}")
    return f"{url}#{'&'.join(extras)}" if extras else url
