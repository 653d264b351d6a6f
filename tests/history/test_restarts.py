"""A session whose runner is lost goes on by itself, as often as it was told to."""

from functools import partial

from tests.history.training import SCRIPT, event, kill_runner, points, saved, until, user_code
from tests.journeys.person import Person, session

ALWAYS_HANGS = SCRIPT.replace("if not config.pause and step == config.hang_at:", "if step == 5:")


def begun(ann: Person, name: str, attempt: int) -> None:
    """Wait until an attempt hangs, and all that it did is known."""
    until(lambda: ann.says("logs", name).count("hangs at 5") == attempt)
    until(lambda: points(ann, name)[0] == [1, 2, 3, 4, 5])
    until(lambda: saved(ann, name) == ["2", "4"])


def test_it_goes_on_from_its_checkpoint_and_comes_to_its_end(ann: Person) -> None:
    code = ann.write("code", {"main.py": SCRIPT})
    following = ann.types("run", "-g", "0", "--restarts", "1", "-a", "--hang-at 5", "-f", at=code)
    until(lambda: ann.json("ps"))
    name = ann.json("ps")[0]["name"]
    begun(ann, name, 1)
    [process] = user_code(ann, name)
    kill_runner(ann, name)
    out, err = following.communicate()

    assert (following.returncode, session(out)) == (0, name), err
    assert not process.is_running()
    assert out.splitlines()[1:] == ["begins at 0", "hangs at 5", "begins at 4", "ends at 6"]
    assert points(ann, name)[0] == [1, 2, 3, 4, 5, 6]
    told = ann.json("show", name)
    assert (told["status"], told["restarts"], told["restarted"]) == ("Exited", 1, 1)
    first, second = told["attempts"]
    assert first["started"] <= first["last_seen"] <= first["ended"] <= second["placed"]
    assert second["last_seen"] is None
    assert event(ann, name, "Lost", "lost: its runner is gone, last heard at ") == event(
        ann, name, "Resumed", "resumed by itself after attempt 1, from checkpoint 4"
    )


def went_on_or_was_lost(ann: Person, name: str, attempt: int) -> bool:
    went_on: bool = ann.json("show", name)["attempts"][-1]["number"] > attempt
    return went_on or ann.json("status", name)["status"] == "Lost"


def test_it_is_lost_when_no_restart_is_left(ann: Person) -> None:
    name = ann.starts(ALWAYS_HANGS, "--restarts", "1")
    for attempt in (1, 2):
        begun(ann, name, attempt)
        kill_runner(ann, name)
        until(partial(went_on_or_was_lost, ann, name, attempt))

    said = ann.says("why", name)
    assert "Status      Lost\n" in said
    assert "Restarts    1 of 1\n" in said
    assert f"nsml resume {name}\n" in said
    heard = ann.json("why", name)["last_seen"]
    assert f"Last heard  {heard}\n" in said


def test_a_fork_has_restarts_of_its_own(ann: Person) -> None:
    done = ann.runs(SCRIPT, "--restarts", "2")
    name = session(done.stdout)
    same, other = (session(ann.says("fork", name, *words)) for words in ((), ("--restarts", "5")))

    shown = [ann.json("show", one) for one in (name, same, other)]
    assert [one["restarts"] for one in shown] == [2, 2, 5]
    assert [one["restarted"] for one in shown] == [0, 0, 0]
    too_many = ann.refused("fork", name, "--restarts", "101", code=1)
    assert "at most 100 times" in too_many
