"""Sessions that wait for others to end: they start once all ended well, and are stopped if not."""

from collections.abc import Callable
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.clients import ask
from nsml_core.errors import NotFound
from nsml_core.tasks import Tasks
from nsml_core.telemetry import Message
from nsml_protos.scheduler_pb2 import Work
from nsml_protos.session_pb2 import Session, SessionRef, Status, StopRequest
from nsml_protos.session_pb2_grpc import SessionsStub
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.state import WORK

_ME = Caller("service", "scheduler")


class Followers:
    """Asks the session service how those ended who are waited for."""

    def __init__(self, cluster: Cluster, sessions: SessionsStub, tasks: Tasks) -> None:
        self._cluster = cluster
        self._sessions = sessions
        self._tasks = tasks
        self._asking: set[tuple[str, str]] = set()

    def look(self, news: Callable[[], None]) -> None:
        """Look after those who wait for a session that does not live any more."""
        for work in self._cluster.queue():
            for name in work.after:
                pair = (work.session, name)
                is_over = name not in self._cluster.works and name not in self._cluster.ended_well
                if is_over and pair not in self._asking:
                    self._asking.add(pair)
                    self._tasks.start(partial(self._settle, work, name, news))

    async def _settle(self, work: Work, name: str, news: Callable[[], None]) -> None:
        origin = self._cluster.origins.get(work.session) or Message(WORK.subject(work.session))
        with reaction("follow", _ME, origin):
            ended = await self._ended(name)
            if ended.status == Status.EXITED:
                self._cluster.ended_well.add(name)
                news()
            else:
                how = Status.Name(ended.status).lower() if ended.name else "removed"
                reason = f"it was to follow {name}, which did not end well: it is {how}"
                await ask(self._sessions.Stop(StopRequest(name=work.session, reason=reason)))
        self._asking.discard((work.session, name))

    async def _ended(self, name: str) -> Session:
        try:
            return await ask(self._sessions.Get(SessionRef(name=name)))
        except NotFound:
            return Session()
