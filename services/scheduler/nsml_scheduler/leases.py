"""The leases of nodes: one that does not renew its own takes nothing, and keeps what it holds."""

import asyncio
import logging
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import Call
from nsml_core.errors import Refused
from nsml_core.store import Store
from nsml_protos.scheduler_pb2 import Node, NodeJoined
from nsml_scheduler import decide
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.engines.engine import Engine

LEASE_SECONDS = 15.0
_ME = Caller("service", "scheduler")

_log = logging.getLogger("nsml.scheduler")


class Leases:
    """Asks the engine who answers, and notes who does not any more, and who does again."""

    def __init__(self, nodes: Store[Node], cluster: Cluster, engine: Engine) -> None:
        self._nodes = nodes
        self._cluster = cluster
        self._engine = engine
        self._heard: dict[str, float] = {}
        self._found: list[NodeJoined] = []

    async def join(self) -> None:
        """Let those join whom the engine has found; a second machine of one name is refused.

        The engine tells of each once: while the log is away, who was found stays so until noted.
        """
        self._found += await self._engine.joining(self._cluster.known_nodes())
        while self._found:
            joined = self._found[0]
            join = partial(decide.join, joined=joined)
            try:
                await self._nodes.decide(joined.name, Call(_ME).context(), join)
            except Refused as refusal:
                _log.warning("%s", refusal.sentence)
            self._found.pop(0)

    async def renew(self) -> set[str]:
        """Return the nodes that answer now; their leases are renewed."""
        names = sorted(node.name for node in self._cluster.known_nodes())
        answering = await self._engine.heard(names)
        now = asyncio.get_running_loop().time()
        for name in names:
            renewed = self._heard.setdefault(name, now)
            if name in answering:
                self._heard[name] = now
                await self._note(name, is_lost=False)
            elif now - renewed >= LEASE_SECONDS:
                await self._note(name, is_lost=True)
        return answering

    async def _note(self, name: str, *, is_lost: bool) -> None:
        if self._cluster.nodes[name].HasField("lost") == is_lost:
            return
        reason = f"it has not been heard for {LEASE_SECONDS:.0f} s"
        decision = (lambda node: decide.lose(node, reason)) if is_lost else decide.find
        await self._nodes.decide(name, Call(_ME).context(), decision)
