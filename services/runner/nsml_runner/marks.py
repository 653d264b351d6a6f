"""Which attempts have containers: their folders are marked, and the containers labelled."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

MARK = "containers.json"
HOME, SESSION, ATTEMPT, NODE = "nsml.home", "nsml.session", "nsml.attempt", "nsml.node"


def labels(home: Path, session: str, attempt: int, node: str) -> dict[str, str]:
    """Return what every container of an attempt is labelled with that runs for a node."""
    return {
        HOME: str(home),
        SESSION: session,
        ATTEMPT: str(attempt),
        NODE: node,
    }


def mark(folder: Path, labelled: Mapping[str, str]) -> None:
    """Say that there may be such containers from now on."""
    unfinished = folder / f"{MARK}.new"
    unfinished.write_text(json.dumps(dict(labelled)))
    unfinished.replace(folder / MARK)


def read(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / MARK).read_text())
    return found


def remove(folder: Path) -> None:
    (folder / MARK).unlink(missing_ok=True)


def is_marked(folder: Path) -> bool:
    return (folder / MARK).exists()


def deserted(work: Path) -> Iterator[tuple[str, int]]:
    """Yield the attempts that are marked and have no runner."""
    for found in work.glob(f"*/*/*/*/{MARK}"):
        folder = found.parent
        if folder.name.isdecimal() and not _has_runner(folder):
            yield str(folder.parent.relative_to(work)), int(folder.name)


def _has_runner(folder: Path) -> bool:
    try:
        named = json.loads((folder / "runner.pid").read_text())
        process = psutil.Process(named["pid"])
        is_same = abs(process.create_time() - named["started"]) < 1
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return False
    return is_same and process.status() != psutil.STATUS_ZOMBIE
