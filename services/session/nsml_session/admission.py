"""Before a session is taken into the queue.

Its data resolved, its size and its owner's credit looked at.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from nsml_core.calls import current
from nsml_core.clients import Clients, ask
from nsml_core.errors import Exhausted, Invalid
from nsml_protos.dataset_pb2 import ResolveReply, ResolveRequest
from nsml_protos.dataset_pb2_grpc import DatasetsStub
from nsml_protos.gangs import node_count
from nsml_protos.ledger_pb2 import AffordRequest
from nsml_protos.ledger_pb2_grpc import LedgerStub
from nsml_protos.scheduler_pb2 import AdmitRequest
from nsml_protos.scheduler_pb2_grpc import SchedulerStub
from nsml_protos.session_pb2 import Mount, Priority, Resources, RunRequest, Spec

Answer = TypeVar("Answer")


class Admission:
    """Asks the other services what a request needs to know."""

    def __init__(self, clients: Clients) -> None:
        self._datasets = DatasetsStub(clients.channel("dataset"))
        self._ledger = LedgerStub(clients.channel("ledger"))
        self._scheduler = SchedulerStub(clients.channel("scheduler"))
        self._asked: dict[tuple[str, bytes], asyncio.Task[Any]] = {}

    async def admit(self, request: RunRequest, owner: str) -> Spec:
        """Return the request with everything in it resolved, or refuse it with a reason."""
        mounts, _ = await asyncio.gather(
            self._mounts(request),
            self.check(request.resources, owner, request.priority),
        )
        return Spec(
            datasets=mounts,
            code_tree=request.code_tree,
            code_bytes=request.code_bytes,
            entry=request.entry,
            args=request.args,
            env=request.env,
            resources=request.resources,
            packages=request.packages,
            python=request.python,
            config=request.config,
            params=request.params,
            config_draft=request.config_draft,
            tags=request.tags,
            job=request.job if request.HasField("job") else None,
            image=request.image,
            root=request.root,
            no_network=request.no_network,
            shm_bytes=request.shm_bytes,
            disk_bytes=request.disk_bytes,
            registry=request.registry,
            restarts=request.restarts,
            priority=request.priority,
            preemptible=request.preemptible,
            after=request.after,
            seed=request.seed or secrets.randbelow(2**32 - 1) + 1,
        )

    async def check(self, resources: Resources, owner: str, priority: "Priority.ValueType") -> None:
        """Refuse what could never run here, what is not for its owner, or what nobody would pay."""
        question = AdmitRequest(
            resources=resources, owner=owner, priority=priority, admin=current().caller.admin
        )
        await asyncio.gather(self._check_room(question), self._check_credit(resources, owner))

    async def _mounts(self, request: RunRequest) -> list[Mount]:
        """Resolve what the caller may read: whoever may read the session reads it with them."""
        reader = current().caller.name
        resolved = await asyncio.gather(
            *(
                ask(self._datasets.Resolve(ResolveRequest(dataset=name, on_behalf_of=reader)))
                for name in request.datasets
            )
        )
        return [_mount(reply) for reply in resolved]

    async def _check_room(self, question: AdmitRequest) -> None:
        reply = await self._shared(self._scheduler.Admit, question)
        if not reply.fits:
            raise Invalid(reply.reason)

    async def _check_credit(self, resources: Resources, owner: str) -> None:
        nodes = node_count(resources)
        question = AffordRequest(
            owner=owner, gpus=resources.gpus * nodes, cpus=resources.cpus * nodes
        )
        reply = await self._shared(self._ledger.Afford, question)
        if not reply.enough:
            raise Exhausted(
                "NOT_ENOUGH_CREDIT: no credit is left; `nsml credit history` shows where it went."
            )

    async def _shared(self, call: Callable[[Any], Awaitable[Answer]], question: Message) -> Answer:
        """Return one answer to all who ask the same while it is on its way.

        Of a thousand requests at once most ask the same.
        """
        key = (type(question).__name__, question.SerializeToString(deterministic=True))
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(ask(call(question)))
            self._asked[key].add_done_callback(lambda _: self._asked.pop(key))
        answer: Answer = await asyncio.shield(self._asked[key])
        return answer


def _mount(reply: ResolveReply) -> Mount:
    return Mount(
        dataset=reply.dataset.name,
        revision=reply.revision.number,
        tree=reply.revision.tree,
        bytes=reply.revision.bytes,
    )
