"""Going on when more was lost than a runner: the whole machine, or all the credit."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nsml_core.blobs import copies
from tests.folders import remove
from tests.history.test_resume import goes_on
from tests.history.training import SCRIPT, hang, until
from tests.journeys.person import Person, environment


@pytest.fixture(scope="module")
def box() -> Iterator[Person]:
    """A machine that may be lost, with credit for nine seconds of one GPU."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    home = folder / "home"
    has = {"NSML_USER": "ann", "NSML_GPUS": "1", "NSML_CPUS": "2", "NSML_OPENING_CREDIT": "0.15"}
    person = Person(home, folder, environment(home, **has))
    person.says("up")
    yield person
    person.says("down")
    remove(folder)


def on(home: Path) -> list[psutil.Process]:
    """Return all that runs for a home: the platform, runners, and the code of sessions."""
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
        is_platform = environ.get("NSML_HOME") == str(home)
        if is_platform or environ.get("NSML_OUTPUT", "").startswith(f"{home}/"):
            found.append(process)
    return found


def lose_machine(home: Path) -> None:
    """End everything without notice, and take what lay on the node alone."""
    for process in on(home):
        process.kill()
    until(lambda: not on(home))
    shutil.rmtree(home / "work")
    for tree in (home / "cache" / "trees").iterdir():
        copies.remove(tree)
    shutil.rmtree(home / "cache")


def test_after_the_loss_of_the_machine(box: Person) -> None:
    name = hang(box)

    lose_machine(box.home)
    box.says("up")
    box.wait(name, "Lost")

    assert f"To go on    nsml resume {name}\n" in box.says("why", name)
    goes_on(box, name, start=4)


def test_after_the_credit_is_used_up(box: Person) -> None:
    name = box.starts(SCRIPT, "-g", "1", "-a", "--hang-at 5")
    box.wait(name, "Stopped")
    assert "NOT_ENOUGH_CREDIT" in box.says("why", name)
    before = box.json("history", name)

    assert box.refused("resume", name, code=1).startswith("Rejected: NOT_ENOUGH_CREDIT: no credit")
    assert box.json("history", name) == before

    box.says("credit", "grant", "ann", "5")
    goes_on(box, name, start=4)
