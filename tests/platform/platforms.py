"""The whole platform as `nsml up` starts it, and what people do with it by the command line."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from nsml_local import embedded
from tests import warm
from tests.folders import remove
from tests.watching import wait_for_line, wait_for_status

T = TypeVar("T")

COUNT = """
import os, sys, time
print("begun", flush=True)
number = 0
while not os.path.exists(sys.argv[1]):
    number += 1
    print(number, flush=True)
    time.sleep(0.02)
print("counted", number, flush=True)
"""
"""Says numbers until it is told to end: a file appears."""

ENDED = {"Exited", "Failed", "Stopped", "Lost"}


class Running:
    """A session that counts until it is told to end."""

    def __init__(self, platform: "Platform", name: str, go: Path) -> None:
        self.platform = platform
        self.name = name
        self._go = go

    @property
    def status(self) -> str:
        return str(self.show()["status"])

    def show(self) -> dict[str, Any]:
        return self.platform.show(self.name)

    def logs(self) -> list[str]:
        said: str = self.platform.nsml("logs", self.name).stdout
        return said.splitlines()

    def begun(self) -> "Running":
        """Wait until its code has spoken."""
        wait_for_line(self.platform.environment, self.name, "1")
        return self

    def finish(self) -> None:
        """Tell it to end, and wait until it has."""
        self._go.touch()
        self.platform.until_ended(self.name)

    def process(self, which: str) -> psutil.Process:
        """Its runner's process, or its code's."""
        work = self.platform.home / "work" / self.name / "1" / f"{which}.pid"
        return psutil.Process(json.loads(work.read_text())["pid"])

    def postings(self, event: str) -> list[dict[str, Any]]:
        """What its owner's book says of it, oldest first."""
        lines = self.platform.json("credit", "history")
        wanted = (event, self.name)
        return [line for line in reversed(lines) if (line["event"], line["session"]) == wanted]

    def charges(self) -> list[dict[str, Any]]:
        return self.postings("Charged")

    def assert_charged_once(self) -> None:
        """Evidence without gaps, for exactly the interval that its code ran."""
        eventually(lambda: self.postings("Released"))
        parts, back = self.charges(), self.postings("Refunded")
        (attempt,) = self.show()["attempts"]
        begins, ends = ([part[which] for part in parts] for which in ("started", "ended"))
        assert begins == [attempt["started"], *ends[:-1]]
        charged_until = back[0]["started"] if back else ends[-1]
        assert charged_until == (attempt["last_seen"] or attempt["ended"])

    def assert_complete(self) -> None:
        """All that its code said is there, once and in order."""
        words = ("begun", "counted", *"0123456789")  # the platform has words of its own
        *counted, last = [line for line in self.logs() if line.startswith(words)]
        numbers = counted[1:]
        assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
        assert (counted[0], last) == ("begun", f"counted {len(numbers)}")


class Platform:
    """One home with everything running in it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.environment = {**os.environ, "NSML_HOME": str(self.home), **environment}
        self._made = 0

    def nsml(self, *words: str, code: Path | None = None, check: bool = True) -> Any:
        """Run the command as a person does."""
        done = warm.run("nsml_cli", *words, env=self.environment, cwd=code or self.folder)
        if check:
            done.check_returncode()
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.nsml(*words, "--json").stdout)

    def show(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.json("show", name)
        return found

    def code(self, script: str, **files: str) -> Path:
        """A folder with a main.py."""
        self._made += 1
        folder = self.folder / f"code{self._made}"
        folder.mkdir()
        for name, text in {"main.py": script, **files}.items():
            (folder / name).write_text(text)
        return folder

    def run(self, *words: str, code: Path | None = None) -> Running:
        """A session that counts until it is told to end."""
        self._made += 1
        go = self.folder / f"go{self._made}"
        asked = ("run", "-a", str(go), *words)
        said = self.nsml(*asked, code=code or self.code(COUNT)).stdout.split()
        return Running(self, said[1], go)

    def until(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait until a session is in one of these states."""
        wait_for_status(self.environment, name, *statuses, *ENDED)
        shown = self.show(name)
        assert shown["status"] in statuses, shown
        return shown

    def until_ended(self, name: str) -> dict[str, Any]:
        return self.until(name, *ENDED)

    def live(self) -> list[str]:
        return [row["name"] for row in self.json("ps")]

    def clear(self) -> None:
        """Leave nothing that holds room for the next test."""
        for name in self.live():
            self.nsml("stop", name)
        eventually(lambda: not self.live())

    def pid(self, part: str) -> int:
        found = {each.name: each.pid for each in embedded.status(self.home)}[part]
        assert found
        return found

    def kill(self, part: str, meanwhile: Callable[[], object] = bool) -> None:
        """End a part without notice, and wait until the supervisor has put another in its place."""
        before = self.pid(part)
        psutil.Process(before).kill()
        meanwhile()

        def is_replaced() -> bool:
            parts = {each.name: each for each in embedded.status(self.home)}
            return parts[part].pid not in {None, before} and parts[part].state == "running"

        eventually(is_replaced)


@contextmanager
def platform(**environment: str) -> Iterator[Platform]:
    """A platform of one's own, of which nothing is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    found = Platform(folder, {"NSML_GPUS": "2", "NSML_CPUS": "8", **environment})
    try:
        found.nsml("up")
        yield found
    finally:
        found.nsml("down", check=False)
        remove(folder)


def lives(process: psutil.Process) -> bool:
    """Whether a process is there; one that only waits to be buried is not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], T | None]) -> T:
    """Wait until something is true, and return it; the test's own time limit is the only one."""
    while not (found := condition()):
        time.sleep(0.05)
    return found
