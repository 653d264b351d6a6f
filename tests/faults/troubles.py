"""What else than kills befalls a platform that people use: a name for each, and how it is done."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from random import Random
from signal import SIGTERM, SIGUSR1, SIGUSR2

from nsml_core import settings
from nsml_core.settings import SERVICES, run_dir
from nsml_local import home, supervision
from nsml_local.environment import services_environment
from nsml_local.programs import programs
from tests.platform.platforms import Platform, eventually

Doings = Counter[str]
Trouble = Callable[[Platform, Random, Doings], AbstractContextManager[None]]
"""Lasts for as long as its block; it counts what it does."""


@contextmanager
def answers(here: Platform, chance: Random, doings: Doings) -> Iterator[None]:
    """Let calls be performed twice, at once, late, or with their answers lost."""
    with between(here, chance, "answers", doings):
        yield


@contextmanager
def away(here: Platform, chance: Random, doings: Doings) -> Iterator[None]:
    """Cut runners off from the services, again and again, each time for some seconds."""
    moments = _Moments(chance, 1.0, 4.0)
    with between(here, chance, "away", doings) as process:

        def cut() -> None:
            while moments.wait():
                process.send_signal(SIGUSR1)
                doings["cut off"] += 1
                moments.wait(3.0)
                process.send_signal(SIGUSR2)

        with _beside(cut, moments.over):
            yield


@contextmanager
def clock(here: Platform, chance: Random, doings: Doings) -> Iterator[None]:
    """Move the clocks of services by five minutes, ahead and back, while they serve."""
    with ExitStack() as stack:
        moved = [stack.enter_context(movable(here, service)) for service in SERVICES]
        moments = _Moments(chance, 0.5, 3.0)

        def move() -> None:
            while moments.wait():
                chance.choice(moved).send_signal(chance.choice((SIGUSR1, SIGUSR2)))
                doings["clocks moved"] += 1

        with _beside(move, moments.over):
            yield


@contextmanager
def movable(here: Platform, service: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a service served by a process of ours, whose clock can be moved."""
    at = home.find(here.home)
    living = supervision.connect(at) if at else None
    assert at is not None
    assert living is not None
    living._ask("stopProcess", f"services:{service}", True)
    environment = services_environment(at, settings.read(here.environment), here.environment)
    command = [sys.executable, "-m", "tests.faults.skewed", f"nsml_{service}"]
    with at.log(service).open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=at.folder,
            stdout=log,
            stderr=log,
        )
    ready = next(
        each for each in programs(at, settings.read(here.environment)) if each.name == service
    )
    try:
        eventually(ready.is_ready)
        yield process
    finally:
        process.terminate()
        process.wait()
        living._ask("startProcess", f"services:{service}", False)  # and no other


@contextmanager
def between(
    here: Platform, chance: Random, what: str, doings: Doings
) -> Iterator["subprocess.Popen[str]"]:
    run = run_dir(here.home)
    command = [sys.executable, "-m", "tests.faults.between", str(run), str(chance.random()), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            for service in SERVICES:  # who was connected before comes through there now
                here.kill(service)
            here.nsml("up")  # and this returns when all of them answer again
            yield process
        finally:
            process.send_signal(SIGTERM)
            for line in process.stdout:
                name, _, times = line.strip().partition("=")
                doings[name] += int(times)


class _Moments:
    """Waits for one moment after the other, until it is over."""

    def __init__(self, chance: Random, shortest: float, longest: float) -> None:
        self.over = threading.Event()
        self._chance = chance
        self._bounds = (shortest, longest)

    def wait(self, times: float = 1.0) -> bool:
        """Return whether the moment has come, and not the end."""
        return not self.over.wait(times * self._chance.uniform(*self._bounds))


@contextmanager
def _beside(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    """Do something else meanwhile, until the block ends."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


TROUBLES: dict[str, Trouble] = {"answers": answers, "away": away, "clock": clock}
