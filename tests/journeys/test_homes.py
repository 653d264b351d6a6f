"""The platform under a person's feet: started twice, beside another one, in pieces, and gone."""

from collections.abc import Callable

import pytest

from nsml_local import home, supervision
from tests.journeys.person import Person, content


def test_a_second_up_says_that_it_is_up(ann: Person) -> None:
    again = ann.nsml("up")
    assert again.returncode == 0
    state, pages = again.stdout.splitlines()
    assert state == f"NSML is up: its state is in {ann.home}"
    assert pages.startswith("Its pages are at http://127.0.0.1:")
    assert pages.endswith(": `nsml open` opens them")
    assert again.stderr == "NSML is up already\n"


def test_two_homes_know_nothing_of_each_other(ann: Person, alone: Person) -> None:
    folder = alone.push("aside", {"x": "x"})
    done = alone.runs("print('here')", "-d", "aside")
    assert done.stdout.splitlines()[0] == "Session ann/aside/1 is started"
    assert done.stdout.splitlines()[-1] == "here"
    ann.refused("show", "aside/1", code=3)
    ann.refused("dataset", "board", "aside", code=3)

    running = alone.starts("import time; time.sleep(600)")
    alone.says("down")
    assert ann.says("up").startswith("NSML is up: ")
    not_running = "Error: NSML is not running here: start it with `nsml up`."
    for words in ("ps", "run", "dataset ls", "credit", "status"):
        assert alone.refused(*words.split(), code=5, at=alone.folder / "code") == not_running
    assert alone.says("down") == "NSML was not running\n"

    alone.says("up")
    assert alone.says("status", "aside/1") == "Exited\n"
    assert alone.says("status", running) == "Stopped\n"
    assert alone.says("logs", "aside/1").endswith("here\n")
    alone.says("dataset", "pull", "aside", "again")
    assert content(alone.folder / "again") == content(folder)


@pytest.fixture
def stop(alone: Person) -> Callable[[str], None]:
    """Stop one service in a way that its supervisor accepts: a killed one would be back at once."""

    def stopped(service: str) -> None:
        at = home.find(alone.home)
        assert at
        supervisor = supervision.connect(at)
        assert supervisor
        supervisor._ask("stopProcess", f"services:{service}", True)

    return stopped


def test_services_that_are_down_are_named(alone: Person, stop: Callable[[str], None]) -> None:
    folder = alone.push("data", {"x": "x"})
    code = alone.write("code", {"main.py": ""})

    def sentence(service: str) -> str:
        return (
            f"Error: The {service} service does not answer: if it does not come back by itself in "
            f"some seconds, look at {alone.home}/logs/{service}.log, and restart with `nsml down` "
            "and `nsml up`."
        )

    stop("dataset")
    for words in ("dataset ls", f"dataset push data {folder}", "dataset pull data x", "run -g 0"):
        assert alone.refused(*words.split(), code=5, at=code) == sentence("dataset")
    states = {part["name"]: part["state"] for part in alone.json("status")["parts"]}
    assert states["dataset"] == "stopped"
    assert set(states.values()) == {"running", "stopped"}

    alone.says("up")
    stop("ledger")
    assert alone.refused("credit", code=5) == sentence("ledger")
    assert alone.refused("run", "-g", "1", code=5, at=code) == (
        "Error: A service did not answer in time: `nsml status` shows which; try again."
    )
    assert alone.json("ps", "-a") == []  # nobody knows whether it could have been paid for
    healed = alone.nsml("up")
    assert healed.stderr.startswith("NSML is up, but not all of it is ready\n")
    assert alone.says("run", "-g", "1", "-d", "data", "-f", at=code).split()[1] == "ann/data/1"
