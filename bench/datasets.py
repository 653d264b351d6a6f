"""Push datasets beside the tools that people would back them up with: `python -m bench.datasets`.

Six cells: 20,000 small files and 4 large ones, each pushed first, unchanged, and with 1 % of the
bytes changed. Every tool does the same step on the same files before the next step begins, as a
whole process, into a new store on the same disk. Before each step what is dirty is synced, so that
nobody waits for another's writes, and files are left alone long enough for every tool's own notion
of an unchanged file.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import figures, home
from bench.figures import Figure, Goal, Row, median

STEPS = ("first", "unchanged", "1 % changed")
_FREE_BYTES = 24 << 30
_SETTLED_SECONDS = 2.5
_MB = 1_000_000


# ---------------------------------------------------------------------------------- what is pushed


@dataclass(frozen=True)
class Shape:
    """Files of one kind: how many, how large, and what changing 1 % of their bytes means."""

    name: str
    files: int
    size: int

    def make(self, folder: Path) -> None:
        for number in range(self.files):
            path = self._path(folder, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for _ in range(0, self.size, 1 << 20):
                    file.write(os.urandom(min(self.size, 1 << 20)))

    def change(self, folder: Path, seed: int) -> None:
        """Overwrite 1 % of the files, or where they are few a hundredth of each."""
        chance = random.Random(seed)  # noqa: S311 - the same for every tool
        if self.files >= 100:  # noqa: PLR2004 - 1 % of them is at least one
            for number in range(seed % 100, self.files, 100):
                self._path(folder, number).write_bytes(os.urandom(self.size))
            return
        part = self.size // 100
        for number in range(self.files):
            with self._path(folder, number).open("r+b") as file:
                file.seek(chance.randrange(self.size - part))
                file.write(os.urandom(part))

    def _path(self, folder: Path, number: int) -> Path:
        return folder / f"{number % 100:02}" / f"sample-{number:05}.bin"


SHAPES = (Shape("20,000 x 20 kB", 20_000, 20_000), Shape("4 x 512 MiB", 4, 512 << 20))


# ------------------------------------------------------------------------------------ who pushes it


class Tool(Protocol):
    """A tool with a store of its own."""

    name: str

    def push(self, source: Path, step: int) -> float:
        """Push and return the seconds from the start of the process to its end."""
        ...

    def stored(self) -> int:
        """Return what its store occupies."""
        ...


@dataclass
class Command:
    """A tool that is one command a push; `{step}` and `{source}` are filled in."""

    name: str
    store: Path
    words: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)

    def push(self, source: Path, step: int) -> float:
        words = [word.format(source=source, step=step) for word in self.words]
        start = time.perf_counter()
        subprocess.run(
            words,
            env={**os.environ, **self.environment},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - start

    def stored(self) -> int:
        return sum(path.stat().st_size for path in self.store.rglob("*") if path.is_file())


@contextmanager
def _nsml(folder: Path) -> Iterator[Tool]:  # noqa: ARG001 - it has a home of its own
    with home.running() as platform:
        words = [home.NSML, "dataset", "push", "bench", "{source}"]
        yield Command("nsml", platform.home / "blobs", words, dict(platform.environment))


@contextmanager
def _borg(folder: Path) -> Iterator[Tool]:
    environment = {
        "BORG_BASE_DIR": str(folder / "borg-base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    store = folder / "borg"
    tool = Command("borg", store, ["borg", "create", f"{store}::{{step}}", "{source}"], environment)
    _run(["borg", "init", "--encryption", "none", str(store)], environment)
    yield tool


@contextmanager
def _restic(folder: Path) -> Iterator[Tool]:
    environment = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(folder / "restic-cache")}
    store = folder / "restic"
    words = ["restic", "--repo", str(store), "backup", "{source}"]
    _run(["restic", "--repo", str(store), "init"], environment)
    yield Command("restic", store, words, environment)


@contextmanager
def _cp(folder: Path) -> Iterator[Tool]:
    store = folder / "cp"
    store.mkdir()
    yield Command("cp -r", store, ["cp", "-r", "{source}", f"{store}/{{step}}"])


def _run(words: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(words, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


_DEDUPLICATING = {"borg": _borg, "restic": _restic}
_TOOLS = {"nsml": _nsml, **_DEDUPLICATING, "cp -r": _cp}


# ------------------------------------------------------------------------------------------ the run


@dataclass
class Found:
    """Seconds and stored bytes, by shape, step and tool; one value a repetition."""

    seconds: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    stored: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def note(self, cell: tuple[str, str, str], seconds: float, stored: int) -> None:
        self.seconds.setdefault(cell, []).append(seconds)
        self.stored.setdefault(cell, []).append(stored / _MB)


def measure(times: int, folder: Path) -> Row:
    found = Found()
    tools = [name for name in _TOOLS if name in ("nsml", "cp -r") or shutil.which(name)]
    for shape in SHAPES:
        source = folder / "source"
        shape.make(source)
        for repetition in range(times):
            with tempfile.TemporaryDirectory(dir=folder) as stores:
                _repeat(shape, source, tools, Path(stores), repetition, found)
        shutil.rmtree(source)
    return _row(found, tools)


def _repeat(
    shape: Shape, source: Path, tools: Sequence[str], stores: Path, repetition: int, found: Found
) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_TOOLS[name](stores)) for name in tools]
        for number, step in enumerate(STEPS):
            if step == "1 % changed":
                shape.change(source, repetition)
            # Each tool goes first as often as any other: what the disk still does is shared out.
            for tool in opened[repetition % len(opened) :] + opened[: repetition % len(opened)]:
                os.sync()
                time.sleep(_SETTLED_SECONDS)
                seconds = tool.push(source, number)
                found.note((shape.name, step, tool.name), seconds, tool.stored())
                print(f"  {shape.name}, {step}: {tool.name} {seconds:.2f} s", flush=True)


def _row(found: Found, tools: Sequence[str]) -> Row:
    yields: list[Figure] = []
    for shape in SHAPES:
        for step in STEPS:
            for kind, unit, values in (
                ("", "s", found.seconds),
                (" stored", "MB", found.stored),
            ):
                cell = {name: median(values[shape.name, step, name]) for name in tools}
                peers = [cell[name] for name in tools if name in _DEDUPLICATING]
                goal = Goal("≤", round(min(peers), 3)) if peers else None
                for name in tools:
                    label = f"{shape.name}, {step}{kind}: {name}"
                    yields.append(Figure(label, cell[name], unit, goal if name == "nsml" else None))
    raw = {f"{' / '.join(cell)}, s": values for cell, values in found.seconds.items()}
    raw |= {f"{' / '.join(cell)}, MB": values for cell, values in found.stored.items()}
    return Row(yields, raw)


def _show_table(row: Row) -> None:
    """Print the six cells as ratios: how many times as long as ours each tool takes."""
    values = {figure.name: figure.value for figure in row.figures}
    tools = sorted({name.rpartition(": ")[2] for name in values}, key=list(_TOOLS).index)
    print(f"\n{'':<34}" + "".join(f"{tool:>20}" for tool in tools))
    for shape in SHAPES:
        for step in STEPS:
            cell = f"{shape.name}, {step}"
            ours = values[f"{cell}: nsml"]
            line = f"{cell:<34}"
            for tool in tools:
                seconds = values[f"{cell}: {tool}"]
                line += f"{f'{seconds:.2f} s ({seconds / ours:.1f}x)':>20}"
            print(line)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.datasets", description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="repetitions; the median counts")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is removed
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder:
        if shutil.disk_usage(folder).free < _FREE_BYTES:
            print(
                f"This needs {_FREE_BYTES >> 30} GiB free in {folder}: set TMPDIR to a larger disk."
            )
            return 1
        for name in _DEDUPLICATING:
            if not shutil.which(name):
                print(
                    f"{name} is not installed, so there is nothing to compare with in its column."
                )
        row = measure(arguments.times, Path(folder))
    figures.save("datasets", row)
    figures.show(row)
    _show_table(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
