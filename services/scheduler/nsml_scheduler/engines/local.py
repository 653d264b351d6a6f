"""The local engine: this host, as one node or as several.

Several are for trying gangs on one machine: each has a name, devices, a folder and a process of its
own, and one of them may be lost while the others go on.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from nsml_core.errors import Invalid, Unavailable
from nsml_core.settings import Settings
from nsml_protos.scheduler_pb2 import Node, NodeJoined
from nsml_scheduler import node
from nsml_scheduler.engines.engine import Claim, Ticket
from nsml_scheduler.engines.forkserver import Forkserver

_ANSWER_SECONDS = 5.0
_NODES_MAX = 16


class LocalEngine:
    """Starts runners through the forkserver of their node."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._servers = [Forkserver(settings, index) for index in range(_count(environ))]
        self._by_name: dict[str, Forkserver] = {}

    def nodes(self, known: Sequence[Node]) -> Sequence[NodeJoined]:
        """Return this host as the nodes that it stands for."""
        found = node.describe([server.work for server in self._servers], known)
        self._by_name = {
            joined.name: server for joined, server in zip(found, self._servers, strict=True)
        }
        return found

    async def joining(self, known: Sequence[Node]) -> Sequence[NodeJoined]:  # noqa: ARG002
        """Return none: a host stays what it is."""
        return ()

    async def warm(self) -> None:
        """Have the forkservers ready before the first session needs them."""
        await asyncio.gather(*(server.runners() for server in self._servers))

    async def start(self, ticket: Ticket) -> None:
        """Start a runner; asked again while it runs, nothing happens."""
        claim = ticket.claim
        answer = await self._server(claim).ask(
            {
                "session": claim.session,
                "attempt": claim.attempt,
                "rank": claim.rank,
                "token": ticket.token,
                "work": str(self._server(claim).folder(claim.session, claim.attempt)),
                "env": {"NSML_REQUEST_ID": ticket.request_id, "TRACEPARENT": ticket.traceparent},
            }
        )
        if "error" in answer:
            raise Unavailable(f"The runner of {claim.session} did not start: {answer['error']}")

    async def gone(self, claims: Collection[Claim]) -> set[Claim]:
        """Return those that their forkserver does not know and that have no process any more."""
        by_node: defaultdict[str, list[Claim]] = defaultdict(list)
        for claim in claims:
            by_node[claim.node].append(claim)
        found: set[Claim] = set()
        for name, there in by_node.items():
            server = self._by_name.get(name)
            if server is not None:
                left = await server.gone([(claim.session, claim.attempt) for claim in there])
                found |= {claim for claim in there if (claim.session, claim.attempt) in left}
        return found

    async def tidy(self, held: Collection[Claim]) -> None:
        """Leave it to the forkservers, which bury their own."""

    async def heard(self, nodes: Collection[str]) -> set[str]:
        """Return those of our nodes whose forkservers answer."""
        ours = [name for name in nodes if name in self._by_name]
        answers = await asyncio.gather(*(self._answers(self._by_name[name]) for name in ours))
        return {name for name, answered in zip(ours, answers, strict=True) if answered}

    async def _answers(self, server: Forkserver) -> bool:
        try:
            await asyncio.wait_for(server.runners(), _ANSWER_SECONDS)
        except (Unavailable, TimeoutError):
            return False
        return True

    def was_claimed(self, claim: Claim) -> bool:
        """Return whether a runner began, or may have begun where we forgot it."""
        server = self._by_name.get(claim.node)
        return server is None or server.was_claimed(claim.session, claim.attempt)

    async def close(self) -> None:
        """Runners and their forkservers go on: the next scheduler finds them."""

    def _server(self, claim: Claim) -> Forkserver:
        server = self._by_name.get(claim.node)
        if server is None:
            raise Unavailable(f"{claim.node} is no node of this host any more.")
        return server


def _count(environ: Mapping[str, str]) -> int:
    """Read `NSML_NODES`: how many nodes this host stands for."""
    text = environ.get("NSML_NODES") or "1"
    if not text.isdecimal() or not 0 < int(text) <= _NODES_MAX:
        raise Invalid(f"NSML_NODES is a whole number from 1 to {_NODES_MAX}, not '{text}'.")
    return int(text)
