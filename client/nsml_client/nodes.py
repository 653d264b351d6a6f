"""Nodes: where sessions run; admins empty them, close them, and let them go."""

from nsml_client.modes import Calls, M, Noun, operation
from nsml_protos import scheduler_pb2
from nsml_protos.scheduler_pb2 import Node, NodeUse


class Nodes(Noun[M]):
    """`client.nodes`; what changes a node raises `NotPermitted` for who is no admin."""

    @operation
    async def ls(self) -> list[NodeUse]:
        """Return the nodes that have joined, and what runs on each."""
        request = scheduler_pb2.ClusterRequest()
        reply = await self._calls.call("Scheduler/Cluster", request, scheduler_pb2.ClusterReply)
        return list(reply.nodes)

    @operation
    async def cordon(self, name: str, *, reason: str = "") -> Node:
        """Let a node take nothing new; what runs there goes on.

        Raises:
            NotFound: There is no such node.
        """
        return await _ask(self._calls, "Cordon", name, reason)

    @operation
    async def uncordon(self, name: str) -> Node:
        """Let a node take sessions again.

        Raises:
            NotFound: There is no such node.
        """
        return await _ask(self._calls, "Uncordon", name)

    @operation
    async def drain(self, name: str, *, now: bool = False, reason: str = "") -> Node:
        """Empty a node as its sessions end, or `now`: they go on elsewhere from a checkpoint.

        Raises:
            NotFound: There is no such node.
        """
        return await _ask(self._calls, "Drain", name, reason, at_once=now)

    @operation
    async def rm(self, name: str, *, reason: str = "") -> Node:
        """Let a node go for good: of one that is lost, the sessions are lost with it.

        Raises:
            NotFound: There is no such node.
            Refused: It takes or holds sessions.
        """
        return await _ask(self._calls, "RemoveNode", name, reason)


async def _ask(
    calls: Calls, method: str, name: str, reason: str = "", *, at_once: bool = False
) -> Node:
    request = scheduler_pb2.NodeRequest(name=name, reason=reason, at_once=at_once)
    return await calls.call(f"Scheduler/{method}", request, Node)
