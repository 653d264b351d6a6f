"""What an engine is: it starts a runner on a node, and knows which of them still run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from nsml_protos.scheduler_pb2 import Node, NodeJoined


@dataclass(frozen=True)
class Claim:
    """What a runner stands for: a member of an attempt, which has its room on a node."""

    session: str
    attempt: int
    node: str
    rank: int = 0
    """Of a gang; all of its members have the same attempt, and each a node of its own."""


@dataclass(frozen=True)
class Ticket:
    """All that a runner needs to begin; what it is to do it asks the session service."""

    claim: Claim
    token: str
    """It speaks for this member of this attempt, and for nothing else."""

    request_id: str
    traceparent: str
    size: int = 1
    """Of the gang: how many members it has."""


class Engine(Protocol):
    """Some nodes, on which runners are started."""

    def nodes(self, known: Sequence[Node]) -> Sequence[NodeJoined]:
        """Return the nodes that are to join at once; one that is known already keeps its name."""

    async def joining(self, known: Sequence[Node]) -> Sequence[NodeJoined]:
        """Return the nodes that are to join since, or to be known better; asked again and again."""

    async def warm(self) -> None:
        """Have ready what the first session needs."""

    async def start(self, ticket: Ticket) -> None:
        """Start the runner of a claim on its node; asked again while it runs, nothing happens.

        Where the others of its gang find what it runs, its sandbox says: see `Ground.address`.
        """

    async def gone(self, claims: Collection[Claim]) -> set[Claim]:
        """Return those of which their node itself confirms that nothing runs there any more."""

    async def tidy(self, held: Collection[Claim]) -> None:
        """Take away what is left of runners that ended; these claims still hold room."""

    async def heard(self, nodes: Collection[str]) -> set[str]:
        """Return the nodes that answer now: so the lease of each is renewed."""

    def was_claimed(self, claim: Claim) -> bool:
        """Return whether its runner ever began, as far as the node still knows."""

    async def close(self) -> None:
        """Let go of the engine; what it has started goes on."""
