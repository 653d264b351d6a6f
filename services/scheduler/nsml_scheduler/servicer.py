"""The gRPC face of the scheduler: the cluster and its queue, and what admins set."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from nsml_core.calls import current
from nsml_core.errors import NotPermitted
from nsml_core.store import Store
from nsml_protos import scheduler_pb2 as pb
from nsml_protos.gangs import node_count
from nsml_protos.scheduler_pb2_grpc import SchedulerServicer
from nsml_protos.session_pb2 import Priority, Resources
from nsml_scheduler import classes, decide, queue, shown, terms
from nsml_scheduler.cluster import Cluster, is_on, on_node
from nsml_scheduler.kept import Stored, too_much
from nsml_scheduler.limits import Amount, held_by_owner, never
from nsml_scheduler.policy.words import largest
from nsml_scheduler.translate import ask_of, host_of


@dataclass(frozen=True)
class Own:
    """What the scheduler writes itself."""

    nodes: Store[pb.Node]
    policies: Store[pb.Policy]


class Scheduler(SchedulerServicer):
    """Shows the cluster as it is now, and changes what is the scheduler's own."""

    def __init__(
        self, cluster: Cluster, own: Own, look: Callable[[], None], stored: Stored
    ) -> None:
        self._cluster = cluster
        self._own = own
        self._stored = stored
        self._look = look
        """Sees why each waits now."""

    async def Fits(self, request: Resources, context: Any) -> pb.FitsReply:
        reason = self._largest(request)
        return pb.FitsReply(fits=not reason, reason=reason)

    def _largest(self, need: Resources) -> str:
        hosts = map(host_of, self._cluster.known_nodes())
        return largest(hosts, ask_of(need), node_count(need))

    async def Admit(self, request: pb.AdmitRequest, context: Any) -> pb.FitsReply:
        need = request.resources
        reason = self._largest(need)
        priority = Priority.NORMAL if request.admin else request.priority
        policy, owner = self._cluster.policy, request.owner
        reason = reason or classes.refusal(policy, owner, need, admin=request.admin)
        reason = reason or never(policy, owner, need, priority)
        return pb.FitsReply(fits=not reason, reason=reason)

    async def Cluster(self, request: pb.ClusterRequest, context: Any) -> pb.ClusterReply:
        self._look()
        sees = current().sees
        holding = [shown.work(work, sees) for work in self._cluster.holding()]
        return pb.ClusterReply(
            nodes=[
                pb.NodeUse(node=node, running=on_node(holding, node.name))
                for node in sorted(self._cluster.known_nodes(), key=lambda node: node.name)
            ],
            queue=[shown.work(work, sees) for work in queue.in_order(self._cluster)],
        )

    async def Queue(self, request: pb.QueueRequest, context: Any) -> pb.QueueReply:
        self._look()
        lines = queue.lines(self._cluster, time.time())
        return pb.QueueReply(lines=[shown.line(one, current().sees) for one in lines])

    async def Cordon(self, request: pb.NodeRequest, context: Any) -> pb.Node:
        return await self._change(request, lambda node: decide.cordon(node, request.reason))

    async def Uncordon(self, request: pb.NodeRequest, context: Any) -> pb.Node:
        return await self._change(request, decide.uncordon)

    async def Drain(self, request: pb.NodeRequest, context: Any) -> pb.Node:
        return await self._change(
            request, lambda node: decide.drain(node, request.reason, at_once=request.at_once)
        )

    async def RemoveNode(self, request: pb.NodeRequest, context: Any) -> pb.Node:
        held = sum(is_on(work, request.name) for work in self._cluster.holding())
        placed = (each.members for each in self._cluster.under_way.values())
        held += sum(member.node == request.name for members in placed for member in members)
        return await self._change(request, lambda node: decide.remove(node, request.reason, held))

    async def _change(
        self, request: pb.NodeRequest, decision: Callable[[pb.Node], Sequence[Message]]
    ) -> pb.Node:
        """Change a node, and know it so at once: nothing is placed by what was known before."""
        node = await self._own.nodes.decide(request.name, current().context(), decision)
        self._cluster.nodes[request.name] = node
        return node

    async def GetQuota(self, request: pb.QuotaRequest, context: Any) -> pb.QuotaReply:
        owner = request.owner or current().owner
        if not current().sees(owner):
            raise NotPermitted(f"The quota of {owner} is theirs to read.")
        return await self._quota(owner)

    async def Keep(self, request: pb.KeepRequest, context: Any) -> pb.FitsReply:
        owner, quota = request.owner, terms.quota_of(self._cluster.policy, request.owner)
        kept = await self._stored(owner) if quota.storage_bytes else 0
        reason = too_much(quota, owner, kept, request.bytes)
        return pb.FitsReply(fits=not reason, reason=reason)

    async def _quota(self, owner: str) -> pb.QuotaReply:
        policy = self._cluster.policy
        held = held_by_owner(self._cluster.holding()).get(owner, Amount())
        return pb.QuotaReply(
            owner=owner,
            quota=terms.quota_of(policy, owner),
            is_own=bool(owner) and terms.own_quota(policy, owner) is not None,
            gpus=held.gpus,
            cpus=held.cpus,
            memory_bytes=held.memory_bytes,
            sessions=held.sessions,
            share=self._cluster.used(time.time()).get(owner, 0.0),
            weight=terms.weights(policy).get(owner, 1.0),
            storage_bytes=await self._stored(owner),
        )

    async def SetQuota(self, request: pb.Quota, context: Any) -> pb.QuotaReply:
        actor = str(current().caller)
        await self._set(lambda policy: terms.set_quota(policy, request, actor))
        return await self._quota(request.owner)

    async def GetPolicy(self, request: pb.PolicyRequest, context: Any) -> pb.Policy:
        return shown.policy(self._cluster.policy, current().sees)

    async def SetPolicy(self, request: pb.PolicySet, context: Any) -> pb.Policy:
        request.actor = str(current().caller)
        return await self._set(lambda policy: terms.set_policy(policy, request))

    async def SetWeight(self, request: pb.WeightSet, context: Any) -> pb.Policy:
        actor, owner, weight = str(current().caller), request.owner, request.weight
        return await self._set(lambda policy: terms.set_weight(policy, owner, weight, actor))

    async def SetClass(self, request: pb.PriorityClass, context: Any) -> pb.Policy:
        actor = str(current().caller)
        return await self._set(lambda policy: classes.set_class(policy, request, actor))

    async def RemoveClass(self, request: pb.ClassRequest, context: Any) -> pb.Policy:
        actor = str(current().caller)
        return await self._set(lambda policy: classes.remove_class(policy, request.name, actor))

    async def _set(self, decision: Callable[[pb.Policy], Sequence[Message]]) -> pb.Policy:
        policy = await self._own.policies.decide(terms.KEY, current().context(), decision)
        self._cluster.know_policy(policy)
        return policy
