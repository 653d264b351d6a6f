"""What an engine is: it starts a runner on a node, and knows which of them still run."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ticket:
    """All that a runner needs to begin; what it is to do it asks the session service."""

    session: str
    attempt: int
    token: str
    request_id: str
    traceparent: str


class Engine(Protocol):
    """A place where runners are started."""

    async def start(self, ticket: Ticket) -> None:
        """Start the runner of an attempt; asked again while it runs, nothing happens."""

    async def gone(self, attempts: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
        """Return those of which the node itself confirms that nothing runs there any more."""

    async def heard(self, nodes: Collection[str]) -> set[str]:
        """Return the nodes that answer now: so the lease of each is renewed."""

    def was_claimed(self, session: str, attempt: int) -> bool:
        """Return whether a runner of the attempt ever began, as far as the node still knows."""

    async def close(self) -> None:
        """Let go of the engine; what it has started goes on."""
