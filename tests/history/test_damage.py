"""A checkpoint that was damaged in the store is found by its hash before any code sees it."""

from collections.abc import Callable

import pytest

from tests.journeys.person import Person, session

SCRIPT = """
import os, sys
from pathlib import Path
import nsml

def save(folder):
    (Path(folder) / "weights").write_text(os.urandom(64).hex())

nsml.bind(save=save, load=lambda folder: print("loads", flush=True))
nsml.paused()
print("begins", flush=True)
if "--pause" in sys.argv:
    try:
        nsml.load(4)
    except OSError as error:
        print(type(error).__name__, error)
else:
    nsml.save(2)
    nsml.save(4)
"""
OTHER = """
import sys, nsml
nsml.load(4, lambda folder: print("loads"), session=sys.argv[1])
"""


def flip(pack: bytes, at: int) -> bytes:
    return pack[:at] + bytes([pack[at] ^ 1]) + pack[at + 1 :]


def truncate(pack: bytes, at: int) -> bytes:
    return pack[:at]


def damage(ann: Person, name: str, checkpoint: str, how: Callable[[bytes, int], bytes]) -> None:
    """Damage the content of a checkpoint where it lies, in a pack of the store."""
    ann.says("model", "pull", name, checkpoint, "back")
    (weights,) = (ann.folder / "back").rglob(f"{checkpoint}/weights")
    content = weights.read_bytes()
    for pack in (ann.home / "blobs" / "packs").rglob("*.pack"):
        stored = pack.read_bytes()
        if content in stored:
            pack.chmod(0o600)
            pack.write_bytes(how(stored, stored.index(content) + 1))
            return
    raise LookupError(checkpoint)


@pytest.mark.parametrize("how", [flip, truncate])
def test_it_is_named_and_the_one_before_is_offered(
    ann: Person, how: Callable[[bytes, int], bytes]
) -> None:
    name = session(ann.runs(SCRIPT).stdout)
    damage(ann, name, "4", how)
    credit = ann.json("credit")
    found = f"Checkpoint 4 of {name} is damaged in the store; the one before is 2:"

    resumed = ann.nsml("resume", name, "-f")
    shown = ann.json("show", name)
    assert (resumed.returncode, shown["status"]) == (1, "Failed")
    assert "begins" not in resumed.stdout
    assert shown["reason"] == f"{found} `nsml resume {name} -c 2`."
    assert shown["attempts"][-1]["started"] is None
    assert "To go on" not in ann.says("why", name)  # its reason says how

    forked = ann.nsml("fork", name, "-f")
    assert (forked.returncode, "begins" in forked.stdout) == (1, False)
    child = ann.json("show", session(forked.stdout))
    assert child["reason"] == f"{found} `nsml fork {name} -c 2`."
    assert ann.json("credit") == credit

    refused = ann.refused("model", "pull", name, "4", "again", code=1)
    assert refused == f"Error: {found} `nsml model pull {name} 2`."
    assert not list((ann.folder / "again").rglob("weights"))

    done = ann.nsml("resume", name, "-c", "2", "-f")
    assert done.returncode == 0, "what is offered is there"
    assert done.stdout.splitlines()[1:] == [
        "loads",
        "begins",
        f"OSError {found} `nsml resume {name} -c 2`.",
    ]
    other = ann.runs(OTHER, "-a", name)
    assert (other.returncode, "loads" in other.stdout.splitlines()) == (1, False)
    assert f"OSError: {found} `nsml fork {name} -c 2`." in other.stdout


def test_of_the_first_there_is_none_before(ann: Person) -> None:
    name = session(ann.runs(SCRIPT).stdout)
    damage(ann, name, "2", flip)

    assert ann.nsml("resume", name, "-c", "2", "-f").returncode == 1

    assert ann.json("show", name)["reason"] == (
        f"Checkpoint 2 of {name} is damaged in the store, and there is none before it: "
        f"`nsml resume {name} --from-start` starts it over."
    )
