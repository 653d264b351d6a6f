"""Why a session waits, waited, was stopped, was lost or failed."""

from tests.history.training import SCRIPT, hang, kill_runner, until
from tests.journeys.person import Person


def test_it_waits_for_somebody(ann: Person) -> None:
    code = ann.write("code", {"main.py": "import time\ntime.sleep(1000)"})
    words = ("run", "-a", "x", "-g")
    holder, first, second = (
        ann.says(*words, number, at=code).split()[1] for number in ("2", "1", "2")
    )
    until(lambda: ann.json("status", second)["reason"])

    told = ann.json("why", second)
    assert told["status"] == "Queued"
    assert told["ahead"] == [first]
    assert [(one["session"], one["devices"]) for one in told["holders"]] == [(holder, ["0", "1"])]
    assert told["waits"][-1]["reason"] == "needs 2 GPUs, 0 free"
    assert told["waits"][-1]["until"] is None
    said = ann.says("why", second)
    for fact in ("needs 2 GPUs, 0 free", "number 2 of 2", first, holder):
        assert fact in said

    ann.says("stop", holder)
    ann.wait(first, "Running")
    waited = ann.json("why", first)
    assert waited["waits"][-1]["until"]
    assert waited["ahead"] is None
    ann.says("stop", first, second)


def test_it_was_stopped(ann: Person) -> None:
    name = hang(ann)
    ann.says("stop", name, "-m", "too slow")
    ann.wait(name, "Stopped")

    said = ann.says("why", name)

    assert "Why         too slow\n" in said
    assert "Stopped by  ann\n" in said


def test_it_was_lost(ann: Person) -> None:
    name = hang(ann)
    kill_runner(ann, name)
    ann.wait(name, "Lost")

    told = ann.json("why", name)

    assert (told["status"], told["stop_actor"]) == ("Lost", "")
    assert told["reason"] in ann.says("why", name)


def test_it_failed(ann: Person) -> None:
    ann.runs(SCRIPT, "-a", "--fail-at 1")
    name = ann.json("ps", "-a")[0]["name"]

    told = ann.json("why", name)

    assert told["outcome"]["exit_code"] == 1
    assert told["stderr"] == ["there is not enough data"]
    said = ann.says("why", name)
    assert said.endswith("\nthere is not enough data\n")
    assert "Exit code  1\n" in said
    assert "Why        there is not enough data\n" in said


def test_it_was_killed_by_a_signal(ann: Person) -> None:
    script = "import os, signal, sys\nprint('last words', file=sys.stderr, flush=True)\n"
    ann.runs(f"{script}os.kill(os.getpid(), signal.SIGSEGV)")
    name = ann.json("ps", "-a")[0]["name"]

    told = ann.json("why", name)

    assert (told["outcome"]["signal"], told["outcome"]["exit_code"]) == (11, None)
    assert told["stderr"] == ["last words"]
    said = ann.says("why", name)
    assert "Signal    11\n" in said
    assert "killed by signal 11 (SIGSEGV)" in said


def test_its_environment_could_not_be_built(ann: Person) -> None:
    ann.runs("", files={"requirements.txt": "./not-there\n"})
    name = ann.json("ps", "-a")[0]["name"]

    assert ann.json("why", name)["outcome"]["exit_code"] is None
    assert "requirements.txt: " in ann.says("why", name)


def test_it_took_too_much_memory(ann: Person) -> None:
    script = "held = [bytearray(10 << 20) for _ in range(1000)]"
    ann.runs(script, "--memory", "200M")
    name = ann.json("ps", "-a")[0]["name"]

    assert ann.json("why", name)["outcome"]["out_of_memory"] is True
    assert "Out of memory  yes" in ann.says("why", name)
