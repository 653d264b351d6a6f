"""A full disk: what was acknowledged stays, the person is told, and room is all it takes."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.folders import remove
from tests.platform.platforms import Platform, eventually


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own in this folder, if this user may mount one here."""
    at.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m,mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(at)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this user may not mount: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no byte free in a file system until the block ends."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in (1 << 16, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(piece))
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def here() -> Iterator[Platform]:
    """A platform whose log, blobs and database are each on a small disk of their own."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    found = Platform(folder, {"NSML_GPUS": "1", "NSML_CPUS": "4"})
    with ExitStack() as stack:
        stack.callback(remove, folder)
        stack.callback(found.nsml, "down", check=False)
        found.nsml("up")
        found.nsml("down")
        for part, megabytes in (("nats", 24), ("blobs", 24), ("postgres", 160)):
            _move_to_small_disk(stack, found.home / part, megabytes)
        found.nsml("up")
        stack.callback(found.nsml, "down", check=False)
        yield found


def _move_to_small_disk(stack: ExitStack, part: Path, megabytes: int) -> None:
    aside = part.with_name(f".{part.name}")
    part.rename(aside)
    stack.enter_context(small_disk(part, megabytes))
    subprocess.run(["cp", "--archive", f"{aside}/.", str(part)], check=True)
    shutil.rmtree(aside)


def names(here: Platform) -> set[str]:
    return {row["name"] for row in here.json("ps", "-a")}


def until_refused(here: Platform, words: list[str], code: Path) -> tuple[list[str], str]:
    """Do something until it is refused: what it said before, and the refusal."""
    known: list[str] = []
    while (done := asked(here, words, code)).returncode == 0:
        known.append(done.stdout)
    assert "Traceback" not in done.stderr
    return known, done.stderr


def asked(here: Platform, words: list[str], code: Path) -> "CompletedProcess[str]":
    done: CompletedProcess[str] = here.nsml(*words, code=code, check=False)
    return done


def session(said: str) -> str:
    return said.split()[1]


def test_room_is_all_that_a_full_disk_takes(here: Platform) -> None:
    code = here.code("print('hello')")
    run = ["run", "-a", "x" * 5_000]
    known = [session(asked(here, run, code).stdout)]

    with filled(here.home / "nats"):
        before, log_full = until_refused(here, run, code)
    known += [*map(session, before), session(eventually(lambda: asked(here, run, code).stdout))]

    (code / "large").write_bytes(bytes(range(256)) * 20_000)
    with filled(here.home / "blobs"):
        _, blobs_full = until_refused(here, run, code)
    known.append(session(asked(here, run, code).stdout))

    with filled(here.home / "postgres"):
        during = [asked(here, run, code) for _ in range(3)]
    known += [session(done.stdout) for done in during if done.returncode == 0]
    eventually(lambda: asked(here, ["ps"], code).returncode == 0)
    for name in sorted(set(known)):
        here.until_ended(name)

    assert "no room on the disk for the log" in log_full
    assert "no room on the disk for" in blobs_full
    assert set(known) <= names(here)
    assert "finding" not in here.nsml("admin", "log", "verify").stdout
