"""What stands under user code: how a kind of sandbox is got ready, and what is run in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nsml_protos import session_pb2
from nsml_runner.sandbox import Command, Sandbox


@dataclass(frozen=True, slots=True)
class Footing:
    """The environment of user code, as it is told with Start."""

    identity: str
    """By content."""

    packages: tuple[str, ...]
    python: str
    """The interpreter's version, such as 3.11."""


@dataclass(frozen=True, slots=True)
class Prepared:
    footing: Footing
    datasets: Mapping[str, Path]
    """Where they lie on this node."""


class Ground(Protocol):
    """Of one attempt."""

    async def prepare(self, session: session_pb2.Session) -> Footing:
        """Make the environment that the code in the code folder asks for; nothing runs yet."""
        ...

    def address(self, rank: int) -> str:
        """Return where the other members of a gang find what will run here, as this rank.

        Asked once it is prepared, before anything runs.
        """
        ...

    async def command(
        self,
        prepared: Prepared,
        assignment: session_pb2.Assignment,
        folder: Path,
        trace: str,
    ) -> Command:
        """Return what to run; the SDK's socket is in the folder."""
        ...

    def sandbox(self) -> Sandbox:
        """Return where to run it, once the command is known."""
        ...

    async def close(self) -> None:
        """Give back what the node was asked for; nothing runs any more."""
        ...
