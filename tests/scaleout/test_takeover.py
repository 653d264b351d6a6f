"""Processes that lead are killed, and held up: others take over, and sessions go on."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import remove
from tests.journeys.person import Person
from tests.receivers import Hook, web_receiver
from tests.scaleout import replicas
from tests.scaleout.replicas import Platform

_LONG = """
import time
import nsml
for step in range(10_000):
    nsml.report(step=step, loss=1 / (step + 1))
    print("line", step, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    """A receiver of news."""
    with web_receiver(Hook()) as found:
        yield found


@pytest.fixture(scope="module")
def platform(hook: Hook) -> Iterator[Platform]:
    """Two of each service, for all tests of this module."""
    with replicas.opened(NSML_WEBHOOK_URL=hook.url, no_proxy="127.0.0.1") as found:
        yield found


def test_a_scheduler_that_dies_or_hangs_is_succeeded(platform: Platform) -> None:
    ann = platform.ann
    name = ann.starts(_LONG)
    ann.wait(name, "Running")
    schedulers = platform.replicas["scheduler"]

    first = platform.leader()
    schedulers[first].kill()
    second = platform.leader()
    assert second != first
    assert ann.runs("print('placed by the second')", name="next").returncode == 0
    assert ann.says("queue") is not None

    platform.all_alive()
    schedulers[second].signal(signal.SIGSTOP)
    while not schedulers[first].says("scheduler"):
        time.sleep(0.05)
    assert ann.runs("print('placed by the first')", name="last").returncode == 0
    schedulers[second].signal(signal.SIGCONT)
    process = schedulers[second].process
    assert process is not None
    assert process.wait() == 1
    assert "leads no more" in schedulers[second].log.read_text()

    platform.all_alive()
    assert ann.json("status", name)["status"] == "Running"
    ann.says("stop", name)
    ann.wait(name, "Stopped")


def test_sessions_go_on_when_a_replica_dies(platform: Platform) -> None:
    ann = platform.ann
    name = ann.starts(_LONG)
    ann.wait(name, "Running")
    following = ann.types("logs", "-f", name)
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM)):  # one falls, one is replaced
        platform.replicas["session"][number].end(how)
        platform.replicas["ledger"][number].end(how)
        other = platform.at("session", 1 - number)
        while other.nsml("eval", "--now", name, "6*7").stdout.strip() != "42":
            time.sleep(0.1)
        assert other.nsml("exec", name, "--", "echo", "beside").stdout == "beside\n"
        assert "line 1\n" in other.says("logs", name)
        platform.all_alive()
    ann.says("stop", name)
    ann.wait(name, "Stopped")

    printed, _ = following.communicate()  # it went on at the other, and missed nothing
    assert printed == ann.says("logs", name)
    assert ann.says("admin", "credit", "audit")
    for service in ("session", "ledger", "scheduler"):
        assert "as written" in ann.says("admin", "log", "verify", service)


def test_a_stream_is_asked_of_the_one_who_serves(platform: Platform) -> None:
    for _ in range(4):  # each command asks the two in an order of its own
        assert "as written" in platform.ann.says("admin", "log", "verify", "scheduler")


def test_owners_are_told_once(platform: Platform, hook: Hook) -> None:
    ann = platform.ann
    hook.posted.clear()
    names = []
    for number in range(2):
        name = ann.starts(_LONG, name=f"lost{number}")
        ann.wait(name, "Running")
        _kill_runner(ann.home, name)
        ann.wait(name, "Lost")
        # Who dies between telling and noting that it was told leaves it to be told once more.
        while "Notified" not in {one["event"] for one in ann.json("history", name)}:
            time.sleep(0.1)
        platform.replicas["session"][number].kill()
        platform.all_alive()
        names.append(name)

    assert [_told(hook, name) for name in names] == [1] * len(names)


def _kill_runner(home: Path, name: str) -> None:
    runner = json.loads((home / "work" / name / "1" / "runner.pid").read_text())
    os.kill(runner["pid"], signal.SIGKILL)


def _told(hook: Hook, name: str) -> int:
    return sum(name.encode() in posted.body for posted in hook.posted)


def test_a_dataset_pushed_to_one_is_pulled_from_the_other(platform: Platform) -> None:
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    first, second = (platform.at("dataset", number, folder) for number in range(2))
    first.push("words", {"a.txt": "one", "b/c.txt": "two"})
    second.says("dataset", "pull", "words", "here")
    assert (folder / "here" / "b" / "c.txt").read_text() == "two"
    second.push("words", {"a.txt": "one", "b/c.txt": "three"})
    assert "words" in first.says("dataset", "ls")
    remove(folder)


def test_a_second_scheduler_started_by_mistake_is_refused(platform: Platform) -> None:
    spare = platform.replicas["scheduler"][1 - platform.leader()]
    spare.kill()
    environ = {**spare.environ, "NSML_SCALE_OUT": "", "NSML_SCHEDULER_ADDRESS": spare.address}
    alone = replicas.Replica("scheduler", spare.address, environ, spare.log)
    alone.start()
    assert alone.process is not None
    assert alone.process.wait() == 1
    assert "scheduler" in spare.log.read_text().splitlines()[-1]
    platform.all_alive()


def test_people_reach_whoever_serves(platform: Platform) -> None:
    ann = Person(platform.ann.home, platform.ann.folder, platform.ann.environ)
    for _ in range(4):
        assert ann.says("node", "ls")
