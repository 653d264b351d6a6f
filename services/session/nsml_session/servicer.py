"""The gRPC face for people: run, look, stop, remove."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

from google.protobuf.json_format import MessageToDict

from nsml_core.calls import current
from nsml_core.entry import Record
from nsml_core.errors import Invalid, NotFound, Refused
from nsml_core.past import history
from nsml_core.store import Store
from nsml_core.views import View
from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import Session
from nsml_protos.session_pb2_grpc import SessionsServicer
from nsml_session import decide, past, used, views
from nsml_session.attempts_servicer import stop_order
from nsml_session.logs import checked
from nsml_session.metrics import Metrics
from nsml_session.reading import Reader
from nsml_session.shown import shown, told
from nsml_session.state import SESSION
from nsml_session.terminals import Terminals
from nsml_session.using import Using

_NAME_PARTS = 3  # owner, dataset, number
_NAMES_MAX = 1_000


class Sessions(SessionsServicer):
    """Everything that a person asks of sessions."""

    def __init__(
        self,
        sessions: Store[Session],
        view: View,
        using: Using,
        reader: Reader,
        metrics: Metrics,
        terminals: Terminals,
    ) -> None:
        self._sessions = sessions
        self._view = view
        self._using = using
        self._intake = using.intake
        self._reader = reader
        self._metrics = metrics
        self._terminals = terminals

    async def Run(self, request: pb.RunRequest, context: Any) -> pb.RunReply:
        return pb.RunReply(session=await self._intake.run(request, current().owner))

    async def Fork(self, request: pb.ForkRequest, context: Any) -> pb.RunReply:
        parent = await self._find(request.session)
        await self._view.see_all()
        then, moment = await past.at_entry(self._view, parent.name, request.sequence)
        owner = current().owner
        return pb.RunReply(session=await self._intake.fork(request, then, moment, owner))

    async def Submit(self, request: pb.SubmitRequest, context: Any) -> pb.RunReply:
        source = await self._find(request.session)
        await self._view.see_all()
        then, moment = await past.at_entry(self._view, source.name, 0)
        owner = current().owner
        return pb.RunReply(session=await self._using.submit(request, then, moment, owner))

    async def Judge(self, request: pb.JudgeRequest, context: Any) -> pb.RunReply:
        return pb.RunReply(session=await self._using.judge(request, current().owner))

    async def Resume(self, request: pb.ResumeRequest, context: Any) -> Session:
        state = await self._find(request.name)
        return await self._intake.resume(request, state)

    async def Get(self, request: pb.SessionRef, context: Any) -> Session:
        state = await self._find(request.name)
        if request.sequence or request.time_us:
            await self._view.see_all()
        if request.time_us:
            state = await past.at_time(self._view, state.name, request.time_us)
        elif request.sequence:
            state, _ = await past.at_entry(self._view, state.name, request.sequence)
        return shown(state, current().sees)

    async def List(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsReply:
        owner = request.owner
        if current().caller.kind == "user":
            owner = self._shown(request)
        if request.at_us:
            found = await past.list_at_time(self._view, request, owner)
            summaries = await past.summaries_at_time(self._reader.frames, found, request.at_us)
            total = len(found)
        else:
            found = await views.list_sessions(self._view, request, owner)
            total = await views.count_sessions(self._view, request, owner)
            names = [session.name for session in found]
            summaries = await self._reader.frames.summaries(names)
        return pb.ListSessionsReply(
            total=total,
            sessions=[
                pb.SessionRow(
                    session=shown(session, current().sees),
                    summary=summaries.get(session.name, {}),
                    checkpoint_bytes=sum(saved.bytes for saved in session.checkpoints),
                )
                for session in found
            ],
        )

    @staticmethod
    def _shown(request: pb.ListSessionsRequest) -> str:
        """Return whose sessions are listed: one's own unless others are named, and may be seen."""
        named, slash, _ = request.pattern.partition("/")
        is_named = slash and not set(named) & set("*?")
        owner = request.owner or (named if is_named else "")
        return owner if owner and current().sees(owner) else current().owner

    async def Stop(self, request: pb.StopRequest, context: Any) -> Session:
        caller = current().caller
        state = await self._find(request.name)
        return await self._stop(state, request.reason or f"stopped by {caller.name}")

    async def _stop(self, state: Session, reason: str) -> Session:
        asked = partial(decide.stop, reason=reason, actor=str(current().caller))
        after = await self._sessions.decide(state.name, current().context(), asked)
        await self._terminals.orders.tell(state.name, stop_order(after.stop_reason))
        return after

    async def Remove(self, request: pb.RemoveSessionRequest, context: Any) -> pb.RemoveSessionReply:
        state = await self._find(request.name, removed=True)
        if not request.scored and not state.removed:
            await self._check_not_behind(state)
        if request.force:
            await self._stop(state, f"removed by {current().caller.name}")
            await self._reader.wait_until_ended(state.name)
        after = await self._sessions.decide(state.name, current().context(), decide.remove)
        await self._reader.frames.forget(state.name)
        return pb.RemoveSessionReply(session=after)

    async def _check_not_behind(self, state: Session, checkpoint: str = "") -> None:
        """Keep what a best score stands on from being removed by mistake."""
        if boards := await self._using.boards_on(state, checkpoint):
            what = f"Checkpoint {checkpoint} of {state.name}" if checkpoint else state.name
            raise Refused(
                f"{what} is behind the best score of {state.owner} on {', '.join(boards)}, which "
                "could not be reproduced without it: --scored removes it all the same."
            )

    async def SetMemo(self, request: pb.SetMemoRequest, context: Any) -> Session:
        state = await self._find(request.name)
        return await self._sessions.decide(
            state.name, current().context(), lambda now: decide.set_memo(now, request.memo)
        )

    async def RemoveCheckpoint(self, request: pb.RemoveCheckpointRequest, context: Any) -> Session:
        state = await self._find(request.name)
        if not request.scored:
            await self._check_not_behind(state, request.checkpoint)
        return await self._sessions.decide(
            state.name,
            current().context(),
            lambda now: decide.remove_checkpoint(now, request.checkpoint),
        )

    async def History(self, request: pb.HistoryRequest, context: Any) -> pb.HistoryReply:
        state = await self._find(request.name)
        await self._view.see_all()
        records = await history(self._view, [SESSION.subject(state.name)], request.after)
        return pb.HistoryReply(lines=[line for record in records for line in _lines(record)])

    async def Family(self, request: pb.SessionRef, context: Any) -> pb.FamilyReply:
        state = await self._find(request.name)
        await self._view.see_all()
        family = await views.family(self._view, state.name)
        sees = current().sees
        return pb.FamilyReply(sessions=[shown(one, sees) for one in family if sees(one.owner)])

    async def Logs(self, request: pb.LogsRequest, context: Any) -> AsyncIterator[pb.LogsReply]:
        state = await self._find(request.name)
        async for reply in self._reader.logs(state.name, checked(request)):
            yield reply

    async def Metrics(self, request: pb.MetricsRequest, context: Any) -> pb.MetricsReply:
        await self._find(request.name)
        return await self._metrics.read(request)

    async def WatchMetrics(
        self, request: pb.MetricsRequest, context: Any
    ) -> AsyncIterator[pb.MetricsNews]:
        await self._find(request.name)
        async for news in self._metrics.watch(request):
            yield news

    async def Records(self, request: pb.RecordsRequest, context: Any) -> AsyncIterator[pb.Record]:
        await self._find(request.name)
        async for record in self._metrics.records.read(request):
            yield record

    async def Usage(self, request: pb.UsageRequest, context: Any) -> pb.UsageReply:
        if len(request.names) > _NAMES_MAX:
            raise Invalid(f"Ask for the use of {_NAMES_MAX:,} sessions at most.")
        found: list[pb.SessionUsage] = []
        for name in dict.fromkeys(request.names):
            with suppress(NotFound):
                found += await self._reader.uses.of(await self._find(name))
        return pb.UsageReply(sessions=found)

    async def UsageHistory(
        self, request: pb.UsageHistoryRequest, context: Any
    ) -> pb.UsageHistoryReply:
        state = await self._find(request.name)
        samples = await used.over_time(self._reader.frames.pool, state.name, request.samples)
        return pb.UsageHistoryReply(samples=samples)

    async def Eval(self, request: pb.EvalRequest, context: Any) -> pb.EvalReply:
        return await self._terminals.evaluate(await self._find(request.name), request)

    async def Shell(
        self, request_iterator: AsyncIterator[pb.ShellInput], context: Any
    ) -> AsyncIterator[pb.ShellOutput]:
        first = await anext(request_iterator, pb.ShellInput())
        state = await self._find(first.open.name)
        async for output in self._terminals.enter(state, first.open, request_iterator):
            yield output

    async def _find(self, name: str, *, removed: bool = False) -> Session:
        """Return a session that the caller may know of; one that was removed only if asked for."""
        if len(name.split("/")) != _NAME_PARTS or not all(name.split("/")):
            raise Invalid(f"'{name}' is not a session's name: it looks like ann/mnist/3.")
        if not name.replace("/", "").replace("-", "").replace("_", "").isalnum():
            raise _unknown(name)
        state = await self._sessions.get(name)
        if not state.name or (state.removed and not removed):
            raise _unknown(name)
        current().require(state.owner, _unknown(name))
        return state


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no session {name}: `nsml ps -a` shows yours.")


def _lines(record: Record) -> list[pb.HistoryLine]:
    recorded = record.decode()
    lines = []
    for event in recorded.events:
        said = told(event, current().sees)
        line = pb.HistoryLine(
            sequence=recorded.sequence,
            actor=recorded.entry.actor,
            request_id=recorded.entry.request_id,
            traceparent=recorded.entry.traceparent,
            event=event.DESCRIPTOR.name,
            detail=json.dumps(MessageToDict(said, preserving_proto_field_name=True)),
        )
        line.time.CopyFrom(recorded.entry.time)
        lines.append(line)
    return lines
