"""One ordeal: a platform that people use while it is broken on purpose, and what is left of it."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import Message

from nsml_client.client import Client as Connection
from nsml_core.settings import read
from tests.faults.breaking import Breaker, Broken, breaking
from tests.faults.checker import check
from tests.faults.gathering import gather
from tests.faults.history import Command, History, Violation
from tests.faults.plan import Deed, faults
from tests.faults.script import SCRIPT
from tests.faults.workload import Client
from tests.platform.platforms import Platform, platform

_PEOPLE = ("ann", "bob", "cyd")
_DRAINED_SECONDS = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ordeal:
    """What is to be done: the same values do the same again, as far as a machine lets them."""

    seed: int
    kills: int
    only: Sequence[str] = ()
    """Targets; none: all."""

    deeds: Sequence[Deed] = ()
    keep: Path | None = None
    """Where the logs of all processes are put if a promise was not kept."""

    drained_seconds: float = _DRAINED_SECONDS
    """How long everything may take to come to its end once nothing breaks any more."""


@dataclass
class Report:
    """How it went."""

    ordeal: Ordeal
    broken: Broken = field(default_factory=Broken)
    violations: list[Violation] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    entries: int = 0
    sessions: int = 0
    lines: int = 0
    points: int = 0
    seconds: float = 0.0


def undergo(ordeal: Ordeal, say: Say) -> Report:
    """Start a platform, use and break it, and return what the checker found."""
    began = time.monotonic()
    report = Report(ordeal)
    with platform() as here:
        with using(here, ordeal) as people, breaking(here) as breaker:
            report.broken = breaker.broken
            break_on_plan(breaker, ordeal, say)
        idle = [person.wait_until_idle(ordeal.drained_seconds) for person in people]
        say("everything has ended" if all(idle) else "not everything comes to its end")
        for person in people:
            person.close()
        history = judge(here, people, report)
        if ordeal.keep and report.violations:
            keep(history, here.home / "logs", ordeal.keep / str(ordeal.seed))
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def using(here: Platform, ordeal: Ordeal) -> Iterator[list[Client]]:
    """Have people use a platform until the block ends and what they asked last is answered."""
    notes = here.folder / "notes"
    notes.mkdir()
    connection = Connection(read(here.environment))
    tree = connection.trees.push(here.code(SCRIPT)).id
    connection.close()
    people = [Client(here, name, ordeal.seed, tree, notes) for name in _PEOPLE]
    with ThreadPoolExecutor(len(people)) as threads:
        living = [threads.submit(person.live) for person in people]
        try:
            yield people
        finally:
            for person in people:
                person.finish()
    for life in living:
        life.result()


def break_on_plan(breaker: Breaker, ordeal: Ordeal, say: Say) -> None:
    """Break what the plan says until so many kills have hit."""
    for fault in faults(ordeal.seed, ordeal.only, ordeal.deeds):
        if breaker.broken.kills >= ordeal.kills:
            return
        breaker.rest(fault.rest_seconds)
        hit = breaker.do(fault)
        say(f"{breaker.broken.kills}/{ordeal.kills} {fault}{'' if hit else ': nothing there'}")


def judge(here: Platform, people: Sequence[Client], report: Report) -> History:
    """Gather what happened, and have it checked."""
    report.commands = [command for person in people for command in person.commands]
    history = gather(here, report.commands, here.folder / "notes")
    report.violations = [
        *check(history),
        *(Violation("fault", p.name, said) for p in people for said in p.complaints),
    ]
    report.entries = len(history.entries)
    report.sessions = len({e.subject for e in history.entries if ".session." in e.subject})
    report.lines = sum(len(code.lines) for code in history.codes)
    report.points = sum(len(code.points) for code in history.codes)
    return history


def keep(history: History, logs: Path, folder: Path) -> None:
    """Keep what tells why: the logs of all processes, the log's entries and the commands."""
    shutil.copytree(logs, folder, dirs_exist_ok=True)
    with (folder / "entries.txt").open("w") as file:
        for entry in history.entries:
            said = "; ".join(f"{e.DESCRIPTOR.name}({one_line(e)})" for e in entry.events)
            file.write(
                f"{entry.sequence} {entry.time} {entry.subject} {entry.entry.actor}: {said}\n"
            )
    (folder / "commands.txt").write_text("".join(f"{each}\n" for each in history.commands))


def one_line(event: Message) -> str:
    return " ".join(str(event).split())
