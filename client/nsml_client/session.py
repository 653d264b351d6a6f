"""One session: what becomes of it, and what can be done with it."""

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from nsml_client import names
from nsml_client.access import new_key
from nsml_client.errors import Lost, rejecting
from nsml_client.facts import LIVE
from nsml_client.modes import Calls, M, operation
from nsml_client.results import Results, get, series
from nsml_core.errors import Refused, Unavailable
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import EvalReply, ForkRequest, HistoryLine, MetricsRequest, SessionRow

if TYPE_CHECKING:  # what few methods need, they import
    from nsml_client.same import Comparison
    from nsml_client.why import Why

_POLL_SECONDS = 0.1
_POLL_SECONDS_MAX = 1.0
_AWAY_SECONDS = 60.0


class Session(Results[M]):
    """A session as the platform last told it: `refresh` and `wait` ask again."""

    @operation
    async def refresh(self) -> "Session[M]":
        """Ask the platform again, and return the session itself.

        Raises:
            NotFound: It was removed.
        """
        self.info = await get(self._calls, self.name)
        return self

    @operation
    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - of the blocking client, too
    ) -> "Session[M]":
        """Return the session itself when it has ended, however that was.

        The platform may be away for a minute meanwhile.

        Raises:
            TimeoutError: It has not ended after so many seconds.
            NotFound: It was removed.
        """
        limit = float("inf") if timeout is None else time.monotonic() + timeout
        self.info = await _ended(self._calls, self.name, limit)
        return self

    @operation
    async def summary(self) -> dict[str, float]:
        """Return the latest values that it reported with `summary=True`."""
        return dict((await row(self._calls, self.info)).summary)

    @operation
    async def history(self, after: int = 0) -> list[HistoryLine]:
        """Return its events, oldest first: those that are newer than one of them, or all."""
        return await _history(self._calls, self.name, after)

    @operation
    async def why(self) -> "Why":
        """Say why it waits, was stopped, was lost or failed."""
        from nsml_client.why import why

        self.info = await get(self._calls, self.name)
        return await why(self._calls, self.info)

    @operation
    async def family(self) -> "list[Session[M]]":
        """Return it, those it was forked from, and all that were forked from any of them."""
        ref = session_pb2.SessionRef(name=self.name)
        found = await self._calls.call("Sessions/Family", ref, session_pb2.FamilyReply)
        return [Session(self._calls, one) for one in found.sessions]

    @operation
    async def stop(self, reason: str = "") -> "Session[M]":
        """Ask its code to end, and return the session itself; asked again, nothing happens.

        One that runs ends some seconds later: `wait` waits for that.
        """
        request = session_pb2.StopRequest(name=self.name, reason=reason)
        self.info = await self._calls.call("Sessions/Stop", request, session_pb2.Session)
        return self

    @operation
    async def eval(
        self,
        code: str,
        *,
        now: bool = False,
        timeout: float = 60.0,  # noqa: ASYNC109 - the platform keeps it
        rank: int = 0,
    ) -> EvalReply:
        """Evaluate Python in its running process, in the scope that it gave to `report()`.

        Of a session on several nodes that is the process on the node of this rank.

        That is when it next reports, or at once with `now`. The reply has what was printed, the
        `repr` of the value or the traceback, and in `evaluation` what came of it.

        Raises:
            NotPermitted: It is somebody else's.
            Refused: It does not run.
        """
        request = session_pb2.EvalRequest(
            name=self.name, code=code, now=now, timeout_seconds=timeout, rank=rank
        )
        # No call that is made again when the connection breaks: it may have been evaluated.
        async with aclosing(self._calls.stream("Sessions/Eval", request, EvalReply)) as replies:
            async for reply in replies:
                return reply
        raise Lost("The service ended the call without a reply.")

    @operation
    async def set_memo(self, text: str) -> None:
        """Change the word about it; "" clears it."""
        request = session_pb2.SetMemoRequest(name=self.name, memo=text)
        self.info = await self._calls.call("Sessions/SetMemo", request, session_pb2.Session)

    @operation
    async def remove(self, *, force: bool = False, scored: bool = False) -> None:
        """Remove it, with its logs, code and models; with force, stop it first if it is live.

        Raises:
            Refused: It is live, or, without `scored`, a best score stands on it.
        """
        request = session_pb2.RemoveSessionRequest(name=self.name, force=force, scored=scored)
        await self._calls.call("Sessions/Remove", request, session_pb2.RemoveSessionReply)

    @operation
    async def resume(
        self,
        *,
        checkpoint: str = "",
        from_start: bool = False,
        new_environment: bool = False,
        key: str = "",
    ) -> "Session[M]":
        """Run it again, from where its latest checkpoint left it; return the session itself.

        It is the same session: another attempt, whose steps, metrics and logs go on.

        Raises:
            NotFound: It has no such checkpoint.
            Rejected: It has not ended, or the platform will not take it into its queue.
        """
        request = session_pb2.ResumeRequest(
            name=self.name,
            checkpoint=checkpoint,
            from_start=from_start,
            new_environment=new_environment,
            key=key or new_key(),
        )
        with rejecting():
            self.info = await self._calls.call("Sessions/Resume", request, session_pb2.Session)
        return self

    @operation
    async def fork(  # noqa: PLR0913 - what may be different
        self,
        *,
        at: int = 0,
        checkpoint: str = "",
        entry: str | None = None,
        args: Sequence[str] | str | None = None,
        gpus: int | None = None,
        cpus: int | None = None,
        memory: int | str | None = None,
        nodes: int | None = None,
        memo: str = "",
        restarts: int | None = None,
        new_environment: bool = False,
        config: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> "Session[M]":
        """Make a new session of it, as it was at any event of its past, and return that.

        Code, data, environment and seed are the same, and so is what is not given here. It goes on
        from the latest checkpoint that there was.

        Raises:
            NotFound: It has no such event or checkpoint.
            Rejected: The platform will not take it into its queue.
        """
        request = ForkRequest(
            session=self.name,
            sequence=at,
            checkpoint=checkpoint,
            entry=entry,
            args=names.words(args or ()),
            new_args=args is not None,
            gpus=gpus,
            cpus=cpus,
            memory_bytes=None if memory is None else names.memory(memory),
            nodes=nodes,
            memo=memo,
            restarts=restarts,
            new_environment=new_environment,
            config=names.json_object(config),
            params=names.json_object(params),
            key=key or new_key(),
        )
        return await _fork(self._calls, request)

    @operation
    async def replay(self) -> "Session[M]":
        """Run it again exactly, as a new session: `compare` says whether that did the same.

        Raises:
            Refused: It has not ended.
            Rejected: The platform will not take it into its queue.
        """
        from nsml_client.same import first_environment

        one = await get(self._calls, self.name)
        if one.status in LIVE:
            raise Refused(f"Session {one.name} has not ended: wait for it, or stop it first.")
        ran = first_environment(one)
        request = ForkRequest(
            session=one.name,
            sequence=(await _history(self._calls, one.name, 0))[0].sequence,
            packages=ran.packages,
            python=ran.python,
            memo=f"replay of {one.name}",
            key=new_key(),
        )
        return await _fork(self._calls, request)

    @operation
    async def compare(self, other: "Session[M]", *, tolerance: float | None = None) -> "Comparison":
        """Compare it with another: what both were given, their ends, models and metrics.

        Without a tolerance for metrics, it follows from whether they ran on GPUs.
        """
        from nsml_client.same import compare

        one, its = await get(self._calls, self.name), await get(self._calls, other.name)
        mine, theirs = [
            session_pb2.MetricsReply(series=await series(self._calls, MetricsRequest(name=name)))
            for name in (one.name, its.name)
        ]
        return compare(one, its, mine, theirs, tolerance=tolerance)


async def row(calls: Calls, one: session_pb2.Session, at_us: int = 0) -> SessionRow:
    """Complete a session with what only the list of sessions knows."""
    request = session_pb2.ListSessionsRequest(
        all=True, pattern=one.name, owner=one.owner, at_us=at_us
    )
    reply = await calls.call("Sessions/List", request, session_pb2.ListSessionsReply)
    stored = sum(point.bytes for point in one.checkpoints)
    whole = SessionRow(session=one, checkpoint_bytes=stored)
    for listed in reply.sessions:
        if listed.session.name == one.name:
            whole.summary.update(listed.summary)
    return whole


async def _ended(calls: Calls, name: str, limit: float) -> session_pb2.Session:
    """Return a session that has ended."""
    pause, heard = _POLL_SECONDS, time.monotonic()
    while True:
        try:
            one = await get(calls, name)
            if one.status not in LIVE:
                return one
            heard = time.monotonic()
        except Unavailable:
            if time.monotonic() > heard + _AWAY_SECONDS:
                raise
        if time.monotonic() > limit:
            raise TimeoutError(f"Session {name} has not ended yet: it goes on.")
        await calls.sleep(min(pause, max(limit - time.monotonic(), 0.0)))
        pause = min(pause * 1.5, _POLL_SECONDS_MAX)


async def _history(calls: Calls, name: str, after: int) -> list[HistoryLine]:
    request = session_pb2.HistoryRequest(name=name, after=after)
    return list((await calls.call("Sessions/History", request, session_pb2.HistoryReply)).lines)


async def _fork(calls: Calls, request: ForkRequest) -> Session[M]:
    with rejecting():
        reply = await calls.call("Sessions/Fork", request, session_pb2.RunReply)
    return Session(calls, reply.session)
