"""The policy of the queue: its settings, weights, and what each owner may hold at once."""

from collections.abc import Sequence

from nsml_client import names
from nsml_client.credit import owned_by
from nsml_client.modes import M, Noun, operation
from nsml_core.errors import NotFound
from nsml_protos import scheduler_pb2
from nsml_protos.scheduler_pb2 import Policy, QuotaReply


class Rules(Noun[M]):
    """`client.policy`; what changes it raises `NotPermitted` for who is no admin."""

    @operation
    async def get(self) -> Policy:
        """Return what is set, by whom and when."""
        return await self._calls.call("Scheduler/GetPolicy", scheduler_pb2.PolicyRequest(), Policy)

    @operation
    async def set(
        self,
        *,
        preemption: bool | None = None,
        half_life_seconds: int | None = None,
        checkpoint_wait_seconds: int | None = None,
        minimum_run_seconds: int | None = None,
    ) -> Policy:
        """Change what is named.

        Raises:
            Invalid: A time is longer than a year.
        """
        request = scheduler_pb2.PolicySet(
            preemption=preemption,
            half_life_seconds=half_life_seconds,
            checkpoint_wait_seconds=checkpoint_wait_seconds,
            minimum_run_seconds=minimum_run_seconds,
        )
        return await self._calls.call("Scheduler/SetPolicy", request, Policy)

    @operation
    async def weigh(self, owner: str, weight: float) -> Policy:
        """Give an owner a share of so much, where others have 1.

        Raises:
            Invalid: The weight is not above 0 and at most 1000.
        """
        request = scheduler_pb2.WeightSet(owner=owned_by(owner), weight=weight)
        return await self._calls.call("Scheduler/SetWeight", request, Policy)

    @operation
    async def set_class(
        self,
        name: str,
        *,
        rank: int,
        preemptible: bool = False,
        max_gpus: int = 0,
        who: Sequence[str] = (),
    ) -> Policy:
        """Name a class of sessions: low, normal and high have the ranks -100, 0 and 100.

        All of its sessions together have `max_gpus` at once, 0 is no limit; nobody named by `who`
        is everybody.

        Raises:
            Invalid: The name is one of the built-in ones, or the rank is beyond 1000.
        """
        request = scheduler_pb2.PriorityClass(
            name=name,
            rank=rank,
            preemptible=preemptible,
            max_gpus=max_gpus,
            who=[owned_by(owner) for owner in who],
        )
        return await self._calls.call("Scheduler/SetClass", request, Policy)

    @operation
    async def remove_class(self, name: str) -> Policy:
        """Let a class go: what is in it is as normal from then on.

        Raises:
            NotFound: There is no such class.
        """
        known = await self._calls.call("Scheduler/GetPolicy", scheduler_pb2.PolicyRequest(), Policy)
        if name not in {one.name for one in known.classes}:
            raise NotFound(f"There is no class {name[:50]!r}: `nsml policy` shows which there are.")
        request = scheduler_pb2.ClassRequest(name=name)
        return await self._calls.call("Scheduler/RemoveClass", request, Policy)

    @operation
    async def quota(self, owner: str = "") -> QuotaReply:
        """Return what you may hold at once, and hold; for admins, of anybody.

        Raises:
            NotPermitted: It is somebody else's.
        """
        request = scheduler_pb2.QuotaRequest(owner=owned_by(owner) if owner else "")
        return await self._calls.call("Scheduler/GetQuota", request, QuotaReply)

    @operation
    async def set_quota(  # noqa: PLR0913 - one for each limit
        self,
        owner: str,
        *,
        gpus: int = 0,
        cpus: int = 0,
        memory: int | str = 0,
        sessions: int = 0,
        storage: int | str = 0,
        high_priority: bool = False,
    ) -> QuotaReply:
        """Say what an owner may hold at once, and keep in the store.

        0 is no limit, and no owner is everybody else.
        With nothing but an owner, what counts for everybody counts for them again.
        """
        request = scheduler_pb2.Quota(
            owner=owned_by(owner) if owner else "",
            gpus=gpus,
            cpus=cpus,
            memory_bytes=names.memory(memory),
            sessions=sessions,
            storage_bytes=names.memory(storage),
            high_priority=high_priority,
        )
        return await self._calls.call("Scheduler/SetQuota", request, QuotaReply)
