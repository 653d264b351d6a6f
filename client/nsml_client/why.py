"""Why a session waits, or how it came to its end."""

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from nsml_client import logs
from nsml_client.modes import Calls
from nsml_client.waits import Wait, placed, waits
from nsml_protos import session_pb2

if TYPE_CHECKING:  # only for who waits, the scheduler is asked
    from nsml_protos import scheduler_pb2

_LINES = 10
_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Why:
    """What is known of the reasons."""

    session: session_pb2.Session
    waits: list[Wait]
    """The times that it spent in the queue, oldest first; the last one may go on."""

    placed: str
    """What decided for its nodes beside room, when it last found some; often nothing did."""

    cluster: "scheduler_pb2.ClusterReply | None"
    """Of one that waits: the nodes, what runs there, and the queue."""

    queued: str
    """Of one that waits: why, as the scheduler says now; a full disk keeps that from the log."""

    stderr: list[str]
    """Of one that failed: the last lines that it wrote to stderr."""

    @property
    def reason(self) -> str:
        """One sentence; empty if the scheduler has not looked at it yet."""
        one = self.session
        is_stopped = one.status == session_pb2.STOPPED  # of these, the outcome says little
        return one.reason if is_stopped else one.outcome.message or self.queued or one.reason

    @property
    def ahead(self) -> list[str]:
        """The sessions before it; all that wait, if the scheduler has not heard of it yet."""
        queue = [work.session for work in self.cluster.queue] if self.cluster else []
        name = self.session.name
        return queue[: queue.index(name)] if name in queue else queue


async def why(calls: Calls, one: session_pb2.Session) -> Why:
    """Ask for what is known of the reasons."""
    request = session_pb2.HistoryRequest(name=one.name)
    history = await calls.call("Sessions/History", request, session_pb2.HistoryReply)
    waits_now = one.status == session_pb2.QUEUED
    return Why(
        session=one,
        waits=waits(list(history.lines)),
        placed=placed(list(history.lines)),
        cluster=await cluster(calls) if waits_now else None,
        queued=await _reason(calls, one.name) if waits_now else "",
        stderr=await _last_lines(calls, one) if one.status == session_pb2.FAILED else [],
    )


async def cluster(calls: Calls) -> "scheduler_pb2.ClusterReply":
    """Return the nodes, what runs on them, and the queue."""
    from nsml_protos import scheduler_pb2

    return await calls.call(
        "Scheduler/Cluster", scheduler_pb2.ClusterRequest(), scheduler_pb2.ClusterReply
    )


async def _reason(calls: Calls, name: str) -> str:
    """Return what the queue says of a session that waits."""
    from nsml_protos import scheduler_pb2

    asked = scheduler_pb2.QueueRequest()
    queue = await calls.call("Scheduler/Queue", asked, scheduler_pb2.QueueReply)
    return next((line.reason for line in queue.lines if line.work.session == name), "")


async def _last_lines(calls: Calls, one: session_pb2.Session) -> list[str]:
    """Return the last lines on stderr of a session that has ended, from its last minute."""
    if not one.HasField("ended"):
        return []
    since = one.ended.ToDatetime(UTC) - _WITHIN
    asked = logs.request(one.name, tail=_LINES, since=since, streams=["stderr"])
    return [line.text async for line in logs.lines(calls, asked)]
