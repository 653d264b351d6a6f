"""A runner without a network: training goes on, nothing is lost or doubled, and the fence holds."""

import asyncio
import json
from collections.abc import Iterator
from random import Random
from signal import SIGUSR1, SIGUSR2
from subprocess import Popen
from typing import Any

import psutil
import pytest

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.clients import connect
from nsml_core.settings import read
from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2_grpc import PlacementsStub
from tests.faults.troubles import Doings, between
from tests.platform.platforms import Platform, eventually, lives, platform

SCRIPT = """
import json, os, pathlib, sys, time
import nsml

go, told = map(pathlib.Path, sys.argv[1:3])
number = 0
nsml.bind(save=lambda folder: (pathlib.Path(folder) / "n").write_text(str(number)), load=print)
while not go.exists():
    number += 1
    print(number, flush=True)
    nsml.report(step=number, value=number)
    if number % 100 == 0:
        nsml.save(number)
    told.write_text(str(number))
    time.sleep(0.01)
"""


class Training:
    """A session that counts, and writes down beside the platform how far it is."""

    def __init__(self, here: Platform) -> None:
        self.here = here
        self.go, self.told = here.folder / "go", here.folder / "told"
        words = ("-g", "1", "-a", f"{self.go} {self.told}")
        self.name = here.nsml("run", *words, code=here.code(SCRIPT)).stdout.split()[1]
        self.reaches(1)

    def number(self) -> int:
        return int(self.told.read_text() or 0) if self.told.exists() else 0

    def reaches(self, number: int) -> None:
        """Wait until it has counted so far."""
        eventually(lambda: self.number() >= number)

    def process(self, which: str) -> psutil.Process:
        file = self.here.home / "work" / self.name / "1" / f"{which}.pid"
        return psutil.Process(json.loads(file.read_text())["pid"])


@pytest.fixture
def here() -> Iterator[Platform]:
    with platform() as found:
        yield found


@pytest.fixture
def proxies(here: Platform) -> Iterator["Popen[str]"]:
    with between(here, Random(1), "away", Doings()) as process:  # noqa: S311 - it cuts nothing
        yield process


def test_a_session_goes_on_without_a_network(here: Platform, proxies: "Popen[str]") -> None:
    training = Training(here)
    proxies.send_signal(SIGUSR1)
    training.reaches(training.number() + 250)  # with checkpoints, which nobody takes now
    while_away = len(here.nsml("logs", training.name).stdout.split())
    proxies.send_signal(SIGUSR2)
    training.go.touch()
    shown = here.until_ended(training.name)
    last = training.number()

    assert while_away < last
    assert shown["status"] == "Exited"
    assert here.nsml("logs", training.name).stdout.split() == [
        str(number) for number in range(1, last + 1)
    ]
    saved = [int(one["name"]) for one in shown["checkpoints"]]
    assert saved == list(range(100, last + 1, 100))


def test_who_comes_back_too_late_is_stopped(here: Platform, proxies: "Popen[str]") -> None:
    training = Training(here)
    training.reaches(150)
    eventually(lambda: here.show(training.name)["checkpoints"])
    code, runner = training.process("user"), training.process("runner")
    proxies.send_signal(SIGUSR1)
    asyncio.run(lose(here, training.name))
    here.nsml("resume", training.name)
    counted = training.number()
    training.reaches(counted + 50)  # it knows nothing of this yet
    assert lives(code)
    proxies.send_signal(SIGUSR2)
    eventually(lambda: not lives(runner))

    assert not lives(code)
    training.go.touch()
    shown = here.until_ended(training.name)
    assert shown["status"] == "Exited"
    assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2]
    history = json.loads(here.nsml("history", training.name, "--json").stdout)
    after = [line["event"] for line in history][[line["event"] for line in history].index("Lost") :]
    assert after.count("Started") == 1


async def lose(here: Platform, name: str) -> None:
    """Say, as a scheduler that was wrong, that nothing of the first attempt runs any more."""
    settings = read(here.environment)
    secret = auth.make_secret(settings.secret_file)
    token = auth.issue(secret, Caller("service", "scheduler"))
    async with connect(settings.addresses["session"], token) as channel:
        placements: Any = PlacementsStub(channel)
        await placements.Lose(pb.LoseRequest(name=name, attempt=1, reason="no word from it"))
