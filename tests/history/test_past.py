"""Sessions as they stood then, by event and by time."""

from typing import Any

from tests.history.training import event, hang, kill_runner, until
from tests.journeys.person import Person, session


def at(ann: Person, name: str, kind: str) -> str:
    """Return the time of a session's first event of this kind."""
    lines = ann.json("history", name)
    return str(next(line["time"] for line in lines if line["event"] == kind))


def test_a_session_as_it_stood_at_an_event(ann: Person) -> None:
    name = hang(ann)
    ann.says("memo", name, "later")
    ann.says("stop", name)
    ann.wait(name, "Stopped")

    def status(kind: str) -> object:
        return ann.json("show", name, "--at", str(event(ann, name, kind)))["status"]

    kinds = ("Requested", "Placed", "Started", "CheckpointSaved", "StopRequested", "Stopped")
    assert [status(kind) for kind in kinds] == [
        *("Queued", "Allocated", "Running", "Running", "Running", "Stopped")
    ]
    then = ann.json("show", name, "--at", str(event(ann, name, "CheckpointSaved")))
    assert [point["name"] for point in then["checkpoints"]] == ["2"]
    assert (then["memo"], then["ended"]) == ("", None)
    assert [line["event"] for line in then["history"]][-1] == "CheckpointSaved"
    newest = ann.json("history", name)[-1]["sequence"]
    assert ann.json("show", name, "--at", str(newest)) == ann.json("show", name)
    assert ann.says("show", name, "--at", str(newest)).startswith("As it stood at  20")


def test_sessions_as_they_stood_at_a_time(ann: Person) -> None:
    name = hang(ann)
    started = at(ann, name, "Started")
    kill_runner(ann, name)
    ann.wait(name, "Lost")
    ended = at(ann, name, "Lost")
    assert ann.nsml("resume", name, "-f").returncode == 0
    ann.says("rm", name)

    def seen(*words: str) -> list[tuple[str, str]]:
        return [
            (one["name"], one["status"]) for one in ann.json("ps", *words) if one["name"] == name
        ]

    assert seen("--at", started) == [(name, "Running")]
    assert seen("--at", ended) == []
    assert seen("-a", "--at", ended) == [(name, "Lost")]
    assert seen("-a") == []
    assert seen("--at", started, "-s", name, "-d", "None", "-n", "1") == [(name, "Running")]


def test_history_is_followed_while_it_is_made(ann: Person) -> None:
    name = hang(ann)
    with ann.types("history", name, "-f") as following:
        assert following.stdout
        seen = [following.stdout.readline() for _ in ann.json("history", name)]
        ann.says("stop", name, "-m", "seen enough")
        # Not `communicate`, which does not know what `readline` has read ahead.
        rest = following.stdout.read()

    assert following.returncode == 0
    assert rest.splitlines()[-1].endswith("stopped: seen enough")
    assert "".join(seen) + rest == ann.says("history", name)


def test_a_time_is_as_good_as_an_event(ann: Person) -> None:
    name = hang(ann)
    saved = at(ann, name, "CheckpointSaved")

    shown = ann.json("show", name, "--at", saved)

    number = str(event(ann, name, "CheckpointSaved"))
    assert shown == ann.json("show", name, "--at", number)
    ann.says("stop", name)


def test_moments_that_there_were_not(ann: Person) -> None:
    name = hang(ann)
    first = event(ann, name, "Requested")
    began = at(ann, name, "Requested")

    assert ann.refused("show", name, "--at", "30d", code=3) == (
        f"Error: {name} did not exist yet: it begins with event {first} at {began}."
    )
    assert "is none of" in ann.refused("show", name, "--at", "1", code=3)
    ann.push("moments", {"a": "1"})
    for words in (("ps",), ("ps", "-a"), ("dataset", "ls")):
        said = ann.refused(*words, "--at", "30d", code=3)
        assert said.startswith("Error: Nothing had happened yet then: the log begins at 20")
    assert "no time of the past" in ann.refused("show", name, "--at", "2999-01-01", code=2)
    assert "is no time" in ann.refused("ps", "--at", "noon", code=2)
    ann.says("stop", name)


def test_credit_as_it_stood(ann: Person) -> None:
    before = ann.json("credit")
    code = ann.write("code", {"main.py": "import time; time.sleep(1000)"})
    name = session(ann.says("run", "-g", "1", at=code))
    ann.wait(name, "Running")
    ann.says("stop", name)
    ann.wait(name, "Stopped")
    placed = at(ann, name, "Placed")
    until(lambda: ann.json("credit")["spent_gpu_ms"] > before["spent_gpu_ms"])

    then = ann.json("credit", "--at", placed)

    assert then["spent_gpu_ms"] == before["spent_gpu_ms"]
    assert then["held_gpu_ms"] > 0
    assert ann.json("credit", "--at", "0s") == ann.json("credit")
    assert "had no book yet" in ann.refused("credit", "--at", "30d", code=3)
    assert "is no time" in ann.refused("credit", "--at", "noon", code=2)


def test_datasets_as_they_stood(ann: Person) -> None:
    name = "pasts"
    ann.push(name, {"a": "1"}, "-d", "first words")
    (then,) = (one for one in ann.json("dataset", "ls") if one["name"] == name)

    def listed(time: str) -> list[Any]:
        return [one for one in ann.json("dataset", "ls", "--at", time) if one["name"] == name]

    ann.push(name, {"a": "2"}, "-d", "other words")
    again = ann.json("dataset", "board", name)["updated"]
    ann.says("dataset", "rm", name)

    assert listed(then["updated"]) == [then]
    (changed,) = listed(again)
    assert (changed["revision"], changed["description"]) == (2, "other words")
    assert listed("0s") == []
    assert name in ann.says("dataset", "ls", "--at", again)


def test_summaries_as_they_stood(ann: Person) -> None:
    name = hang(ann)
    ann.says("stop", name)
    ann.wait(name, "Stopped")
    ended = at(ann, name, "Stopped")
    assert ann.nsml("resume", name, "-f").returncode == 0

    def summary(*words: str) -> dict[str, float]:
        (one,) = (one for one in ann.json("ps", "-a", "-s", name, *words))
        return dict(one["summary"])

    assert summary() == {"loss": 1 / 6}
    assert summary("--at", ended) == {"loss": 1 / 5}
    assert summary("--at", at(ann, name, "Requested")) == {}
    number = str(event(ann, name, "Stopped"))
    assert ann.json("show", name)["summary"] == {"loss": 1 / 6}
    assert ann.json("show", name, "--at", number)["summary"] == {"loss": 1 / 5}
