"""A person loses parts of a home, and the whole of it, and has everything back."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.folders import remove
from tests.history.training import SCRIPT, hang, until
from tests.journeys.conftest import started
from tests.journeys.person import Person, content, environment

ENDED = "ann/data/1"
RUNS = "ann/None/1"


@pytest.fixture
def ann() -> Iterator[Person]:
    """A person whose home may be harmed."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder)
    remove(folder)


@pytest.fixture
def elsewhere(ann: Person) -> Iterator[Person]:
    """The same person with a home that is not there yet."""
    home = ann.folder / "elsewhere"
    kept = {name: ann.environ[name] for name in ("NSML_USER", "NSML_GPUS", "NSML_CPUS")}
    person = replace(ann, home=home, environ=environment(home, **kept))
    yield person
    person.nsml("down")


def known(ann: Person) -> dict[str, Any]:
    """Everything that can be seen of what has ended."""
    commands = {
        "ps": ("ps", "-a", "-d", "data"),
        "show": ("show", ENDED),
        "history": ("history", ENDED),
        "models": ("model", "ls", ENDED),
        "datasets": ("dataset", "ls"),
    }
    pulled = ann.folder / "pulled"
    ann.says("model", "pull", ENDED, "6", str(pulled))
    model = content(pulled)
    shutil.rmtree(pulled)
    return {
        **{name: ann.json(*words) for name, words in commands.items()},
        "credit": [line for line in ann.json("credit", "history") if line["session"] == ENDED],
        "logs": ann.says("logs", ENDED),
        "model": model,
    }


def test_backed_up_lost_and_restored(ann: Person, elsewhere: Person) -> None:
    ann.push("data", {"x": "x", "y/z": "z" * 5000})
    assert ann.runs(SCRIPT, "-d", "data", "-g", "1").returncode == 0
    assert hang(ann) == RUNS
    until(lambda: "Released" in [line["event"] for line in ann.json("credit", "history")])
    before = known(ann)
    assert before["model"]
    backup = ann.folder / "all.tar"

    said = ann.says("admin", "backup", str(backup))
    credit = ann.json("credit", "history")

    assert said.startswith(f"{backup} is good for the log up to entry ")
    assert backup.stat().st_mode & 0o777 == 0o600
    _refusals(ann, backup)
    ann.says("down")
    _restored_log(ann, before)
    ann.says("down")
    _restored_elsewhere(elsewhere, backup, before, credit)
    elsewhere.says("down")
    _without_its_database(elsewhere, before)


def _refusals(ann: Person, backup: Path) -> None:
    assert f"{backup} is there already" in ann.refused("admin", "backup", str(backup), code=1)
    inside = ann.home / "all.tar"
    assert "lies in the home" in ann.refused("admin", "backup", str(inside), code=2)
    assert "`nsml down` first" in ann.refused("admin", "log", "restore", code=1)
    assert "is not empty" in ann.refused("admin", "restore", str(backup), code=1)
    assert ann.says("admin", "restore", "--check", str(backup)).startswith(f"{backup} is whole: ")


def _restored_log(ann: Person, before: dict[str, Any]) -> None:
    shutil.rmtree(ann.home / "nats")
    up = ann.nsml("up")
    assert up.returncode == 5
    assert "entries were lost; `nsml admin log restore` brings them back" in up.stderr

    done = ann.nsml("admin", "log", "restore")

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("; nothing was lost\n")
    refused = ann.nsml("admin", "log", "restore")
    assert "The log is whole" in refused.stderr
    ann.says("up")
    assert known(ann) == before
    ann.says("admin", "log", "verify")


def _restored_elsewhere(
    elsewhere: Person, backup: Path, before: dict[str, Any], credit: list[dict[str, Any]]
) -> None:
    (elsewhere.home.with_name(".elsewhere.restoring") / "nats").mkdir(parents=True)  # was killed
    done = elsewhere.nsml("admin", "restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert not (elsewhere.home / "work").exists(), "nobody knows here what ran"
    assert done.stdout.startswith(f"{elsewhere.home} holds the log up to entry ")
    elsewhere.says("up")
    assert known(elsewhere) == before
    assert elsewhere.json("credit", "history")[-len(credit) :] == credit
    elsewhere.wait(RUNS, "Lost")
    assert elsewhere.nsml("resume", RUNS, "-f").stdout.endswith("begins at 4\nends at 6\n")
    logs = elsewhere.says("logs", RUNS)
    assert (logs.index("begins at 0"), "hangs at 5" in logs, "ends at 6" in logs) == (0, True, True)


def _without_its_database(elsewhere: Person, before: dict[str, Any]) -> None:
    remove(elsewhere.home / "postgres")
    assert "the archives with it" in elsewhere.refused("admin", "log", "restore", code=1)

    elsewhere.says("up")

    assert elsewhere.says("logs", ENDED) == "", "what a session printed is in no entry"
    assert elsewhere.json("history", ENDED) == before["history"]
    elsewhere.says("admin", "log", "verify")
    elsewhere.says("admin", "log", "restore", "--archive", "session")
