"""Going on where a session was left, whatever ended it."""

import pytest

from tests.history.training import SCRIPT, hang, kill_runner, points, saved
from tests.journeys.person import Person

STEPS = [1.0, 2, 3, 4, 5, 6]


def goes_on(ann: Person, name: str, *words: str, start: int) -> None:
    """Resume a session that had come to step 5, and check that nothing is missing or double."""
    done = ann.nsml("resume", name, "-f", *words)

    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"Session {name} is resumed\nbegins at {start}\nends at 6\n"), (
        "what was printed before is not printed again"
    )
    assert points(ann, name) == (STEPS, [1 / step for step in STEPS])
    assert points(ann, name, "counted") == ([step - 1 for step in STEPS], STEPS)
    assert saved(ann, name)[-1] == "6"
    shown = ann.json("show", name)
    assert (shown["status"], shown["attempt"], len(shown["attempts"])) == ("Exited", 2, 2)
    assert shown["start"] == (str(start) if start else None)


def test_after_a_failure(ann: Person) -> None:
    done = ann.runs(SCRIPT, "-a", "--fail-at 5")
    assert done.returncode == 1
    name = ann.json("ps", "-a")[0]["name"]

    goes_on(ann, name, start=4)


def test_after_a_stop(ann: Person) -> None:
    name = hang(ann)
    ann.says("stop", name)
    ann.wait(name, "Stopped")

    goes_on(ann, name, start=4)


def test_after_the_death_of_its_runner(ann: Person) -> None:
    name = hang(ann)
    kill_runner(ann, name)
    ann.wait(name, "Lost")

    assert f"nsml resume {name}" in ann.says("why", name)
    goes_on(ann, name, start=4)


def test_from_an_earlier_checkpoint(ann: Person) -> None:
    name = hang(ann)
    ann.says("stop", name)
    ann.wait(name, "Stopped")

    goes_on(ann, name, "-c", "2", start=2)


def test_from_the_start(ann: Person) -> None:
    done = ann.runs(SCRIPT, "-a", "--fail-at 1")
    assert done.returncode == 1
    name = ann.json("ps", "-a")[0]["name"]

    assert ann.refused("resume", name, code=1) == (
        f"Rejected: {name} has saved no checkpoint: `--from-start` starts it over."
    )
    said = ann.nsml("resume", name, "--from-start", "-f")

    assert (said.returncode, said.stdout.splitlines()[1]) == (1, "begins at 0")
    assert points(ann, name)[0] == [1]
    assert ann.json("show", name)["attempt"] == 2


def test_the_output_of_all_attempts_is_one_log(ann: Person) -> None:
    name = hang(ann)
    ann.says("stop", name)
    ann.wait(name, "Stopped")
    goes_on(ann, name, start=4)

    assert ann.says("logs", name).splitlines() == [
        "begins at 0",
        "hangs at 5",
        "begins at 4",
        "ends at 6",
    ]


def test_what_cannot_be_resumed_is_left_as_it_is(ann: Person) -> None:
    name = hang(ann)

    assert ann.refused("resume", name, code=1) == (
        f"Rejected: {name} has not ended: `nsml fork {name}` makes another from it."
    )
    ann.says("stop", name)
    ann.wait(name, "Stopped")
    before = ann.json("history", name)
    assert ann.refused("resume", name, "-c", "7", code=3) == (
        f"Error: {name} has no checkpoint 7: `nsml model ls {name}` shows those that it has."
    )
    assert "not both" in ann.refused("resume", name, "-c", "2", "--from-start", code=2)
    ann.refused("resume", "None/999999", code=3)
    assert ann.json("history", name) == before


@pytest.mark.parametrize("words", [(), ("-v",)])
def test_its_history_tells_it_all(ann: Person, words: tuple[str, ...]) -> None:
    name = hang(ann)
    ann.says("stop", name, "-m", "too slow")
    ann.wait(name, "Stopped")
    goes_on(ann, name, start=4)

    told = ann.says("history", name, *words)

    for meaning in (
        "asked for: main.py --hang-at 5 with no GPUs, 1 CPU, from the beginning",
        "as attempt 1",
        "its code started as attempt 1",
        "saved checkpoint 4: 11 B, loss=0.25",
        "asked to stop: too slow",
        "stopped: too slow",
        "resumed after attempt 1, from checkpoint 4",
        "its code started as attempt 2",
        "ended well, as attempt 2",
    ):
        assert meaning in told
    events = ann.json("history", name)
    assert ("request " + events[0]["request_id"] in told) == bool(words)
    assert [line["sequence"] for line in events] == sorted(line["sequence"] for line in events)
    followed = ann.says("history", name, "-f")
    assert followed.splitlines() == ann.says("history", name).splitlines()
