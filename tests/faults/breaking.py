"""Doing to the processes of a platform what a plan says, and seeing how soon it is whole again."""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nsml_core.settings import SERVICES
from nsml_local import home, processes, supervision
from nsml_local.programs import programs
from tests.faults.plan import Deed, Fault
from tests.platform.platforms import Platform, lives

_LOOK_SECONDS = 0.1


@dataclass
class Broken:
    """What was done, and how the platform took it."""

    hits: Counter[tuple[Deed, str]] = field(default_factory=Counter)
    processes: int = 0
    """How many were killed: more than hits, where one hit is for all at once."""

    recoveries: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a kill until the part served again."""

    @property
    def kills(self) -> int:
        return sum(times for (deed, _), times in self.hits.items() if deed is Deed.KILL)


class Breaker:
    """Breaks one platform; what it froze is thawed at the end, whatever happens."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.broken = Broken()
        found = home.find(platform.home)
        assert found is not None
        self._home = found
        self._programs = {each.name: each for each in programs(found, found.settings)}
        self._away: dict[str, float] = {}
        self._frozen: set[psutil.Process] = set()
        self._thawing: list[threading.Timer] = []

    def do(self, fault: Fault) -> bool:
        """Break it; False if there was nothing to break."""
        found = [process for process in self._find(fault) if lives(process)]
        if not found:
            return False
        if fault.deed is Deed.FREEZE:
            self._freeze(found, fault.seconds)
        else:
            self._kill(found)
        self.broken.hits[fault.deed, fault.target] += 1
        self._repair(fault)
        return True

    def _find(self, fault: Fault) -> list[psutil.Process]:
        match fault.target:
            case "everything":
                return processes.belonging(self.platform.home)
            case "services":
                return [*self._children(*SERVICES, "nats", "postgres")]
            case "runner" | "code":
                return _one(self._of_sessions(fault.target), fault.pick)
            case "forkserver":
                runners = self._of_sessions("runner")
                belonging = processes.belonging(self.platform.home)
                return [each for each in belonging if _forks(each) and each not in runners][:1]
            case "supervisor":
                living = supervision.connect(self._home)
                return [psutil.Process(living.pid)] if living else []
            case part:
                return [*self._children(part)]

    def _children(self, *names: str) -> Iterator[psutil.Process]:
        living = supervision.connect(self._home)
        for child in living.children() if living else ():
            if child.name in names and child.state in {"STARTING", "RUNNING"}:
                with suppress(psutil.NoSuchProcess):
                    yield psutil.Process(child.pid)

    def _of_sessions(self, which: str) -> list[psutil.Process]:
        name = "runner.pid" if which == "runner" else "user.pid"
        files = sorted((self.platform.home / "work").glob(f"*/*/*/*/{name}"))
        return [process for file in files for process in _named(file)]

    def _kill(self, found: Sequence[psutil.Process]) -> None:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                self.broken.processes += 1
        while any(lives(process) for process in found):
            time.sleep(0.01)

    def _freeze(self, found: Sequence[psutil.Process], seconds: float) -> None:
        family = [*found, *(child for each in found for child in _helpers(each))]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        self._frozen.update(family)
        timer = threading.Timer(seconds, self._thaw, [family])
        timer.start()
        self._thawing.append(timer)

    def _thaw(self, family: Sequence[psutil.Process]) -> None:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._frozen.difference_update(family)

    def _repair(self, fault: Fault) -> None:
        """Note what is away; whom no supervisor mends an admin mends, with `nsml up`."""
        if fault.deed is Deed.FREEZE:
            return
        now = time.monotonic()
        if fault.target in {"everything", "supervisor"}:
            self.platform.nsml("up")
            self.broken.recoveries[fault.target].append(time.monotonic() - now)
            self._away.clear()
        elif fault.target == "services":
            self._away.update(dict.fromkeys(self._programs, now))
        elif fault.target in self._programs:
            self._away[fault.target] = now

    def look(self) -> None:
        """See who serves again."""
        for name, since in list(self._away.items()):
            if self._programs[name].is_ready():
                self._away.pop(name, None)
                self.broken.recoveries[name].append(time.monotonic() - since)

    def rest(self, seconds: float) -> None:
        """Wait, and see meanwhile who comes back."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.look()
            time.sleep(min(_LOOK_SECONDS, left))

    def thaw(self) -> None:
        """Let go on what is frozen."""
        for timer in self._thawing:
            timer.cancel()
        self._thaw(list(self._frozen))


@contextmanager
def breaking(platform: Platform) -> Iterator[Breaker]:
    """Yield what breaks a platform; nothing stays frozen."""
    breaker = Breaker(platform)
    try:
        yield breaker
    finally:
        breaker.thaw()
    platform.nsml("up")  # mends what no supervisor mends
    breaker.look()


def _one(found: Sequence[psutil.Process], pick: float) -> list[psutil.Process]:
    return [found[int(pick * len(found))]] if found else []


def _named(file: Path) -> Iterator[psutil.Process]:
    try:
        named = json.loads(file.read_text())
        process = psutil.Process(named["pid"])
        if abs(process.create_time() - named["started"]) < 1:
            yield process
    except (OSError, ValueError, psutil.NoSuchProcess):
        return  # it ended since, or has not written its number yet


def _helpers(process: psutil.Process) -> list[psutil.Process]:
    """PostgreSQL works in its children; a runner's child is the user's code, which goes on."""
    with suppress(psutil.NoSuchProcess):
        if process.name() == "postgres":
            return list(process.children(recursive=True))
    return []


def _forks(process: psutil.Process) -> bool:
    """Whether it is a forkserver or a runner, which is a copy of it."""
    with suppress(psutil.Error):
        return "nsml_runner.forkserver" in process.cmdline()
    return False
