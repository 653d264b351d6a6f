"""How user code is kept apart: what every sandbox can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    """All that the user's code sees; nothing of the runner's own environment is added."""
    cpus: int = 0
    """How many it may use; 0: all."""
    writes: tuple[Path, ...] = ()
    """Folders of this node that it writes to, and that hold together at most…"""
    disk_bytes: int = 0
    """…so much; 0: as much as there is room."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the user's code has used up, and what it holds now."""

    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal's window."""

    rows: int
    columns: int


class Beside(Protocol):
    """A program that somebody started beside the user's code: it is part of what runs there."""

    stdin: int
    """Where its input is written to; whoever writes and reads closes all of them."""
    outputs: tuple[int, ...]
    """Where its output and errors are read from; a terminal, which is also stdin, has one."""

    async def wait(self) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        ...

    def resize(self, size: Size) -> None:
        """Its terminal's window has another size now."""
        ...

    async def end(self) -> None:
        """Nobody is there any more: hang up, and kill what does not heed that."""
        ...


class Running(Protocol):
    """User code that was started, with nothing on its standard input."""

    pid: int
    """Of the process whose end is the end of the session; also its process group.

    0 where it had ended before it could be asked.
    """
    stdout: int
    stderr: int
    """The read ends of its output; whoever reads them closes them."""

    @property
    def has_ended(self) -> bool: ...

    async def wait(self) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        ...

    async def terminate(self) -> None:
        """Ask it to end."""
        ...

    async def kill(self) -> None:
        """End everything that it started, wherever that hides; return when nothing is left."""
        ...

    async def start_beside(self, command: Command, terminal: Size | None) -> Beside:
        """Start a program among it, on pipes or in a terminal of its own."""
        ...

    def memory_exceeded(self) -> int:
        """Once it has ended: the bytes that it used where the kernel ended it for that, else 0."""
        ...

    def measure(self, *, exact: bool = False) -> Use:
        """Memory that processes share is counted for each of them, unless it has to be exact."""
        ...


class Sandbox(Protocol):
    async def start(self, command: Command) -> Running: ...
