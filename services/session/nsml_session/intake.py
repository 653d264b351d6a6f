"""How a session comes into the queue: run for the first time, forked from another, or resumed."""

from collections.abc import Awaitable, Callable
from functools import partial

from nsml_core.calls import current, request_key
from nsml_core.errors import AlreadyExists
from nsml_core.store import Store
from nsml_protos.session_pb2 import (
    ForkRequest,
    Parent,
    Requested,
    ResumeRequest,
    RunRequest,
    Session,
)
from nsml_session import decide, following, jobs, purposes
from nsml_session.admission import Admission
from nsml_session.forking import spec_of_fork
from nsml_session.names import Names

_TRIES = 100

Claim = Callable[[str], Awaitable[None]]
"""What has to be had elsewhere by the name of a session, before that is taken."""


class Intake:
    """Looks at what is asked, gives it a name, and takes it in once."""

    def __init__(self, sessions: Store[Session], admission: Admission, names: Names) -> None:
        self._sessions = sessions
        self._admission = admission
        self._names = names

    async def run(self, request: RunRequest, owner: str) -> Session:
        """Take in a session that starts from the beginning."""
        key = request_key(request.key)

        async def take() -> Session:
            spec = await self._admission.admit(request, owner)
            if spec.job.HasField("input"):
                source = await self._sessions.get(jobs.source(spec.job))
                jobs.resolve_input(spec.job, source, is_seen=current().sees(source.owner))
            spec.after[:] = [name for name in request.after if await self._has_to_end(name)]
            return await self.take(
                Requested(owner=owner, spec=spec, memo=request.memo, request_key=key)
            )

        return await self.once(owner, key, take, is_chosen=bool(request.key))

    async def fork(
        self, request: ForkRequest, then: Session, parent: Parent, owner: str
    ) -> Session:
        """Take in a session that goes on from another as it was at a moment."""
        key = request_key(request.key)

        async def take() -> Session:
            purposes.check_trains(then, "forked")
            spec = spec_of_fork(then, request)
            start = decide.fork_start(then, request.checkpoint, parent.sequence)
            if start is not None:
                parent.checkpoint = start.name
            await self._admission.check(spec.resources, owner, spec.priority)
            return await self.take(
                Requested(
                    owner=owner,
                    spec=spec,
                    memo=request.memo,
                    request_key=key,
                    parent=parent,
                    start=start,
                )
            )

        return await self.once(owner, key, take, is_chosen=bool(request.key))

    async def resume(self, request: ResumeRequest, state: Session) -> Session:
        """Take an ended session into the queue again."""
        purposes.check_trains(state, "resumed")
        again = partial(
            decide.resume,
            checkpoint=request.checkpoint,
            from_start=request.from_start,
            new_environment=request.new_environment,
            key=request_key(request.key),
        )
        if not again(state):  # what cannot be is refused before others are asked
            return state
        spec = state.spec
        await self._admission.check(spec.resources, state.owner, spec.priority)
        return await self._sessions.decide(state.name, current().context(), again)

    async def _has_to_end(self, name: str) -> bool:
        state = await self._sessions.get(following.checked(name))
        return following.has_to_end(name, state, is_seen=current().sees(state.owner))

    async def once(
        self, owner: str, key: str, take: Callable[[], Awaitable[Session]], *, is_chosen: bool
    ) -> Session:
        """Do what takes a request in, unless it was done for the same request."""
        earlier = await self._names.earlier(owner, key, is_chosen=is_chosen)
        if earlier is not None:
            return await self._sessions.get(earlier)
        try:
            state = await take()
        except BaseException as error:
            self._names.failed(owner, key, error)
            raise
        self._names.led_to(owner, key, state.name)
        return state

    async def take(self, requested: Requested, claim: Claim | None = None) -> Session:
        """Take a request in under the next number that is free."""
        decide.check_request(requested)
        mounts = requested.spec.datasets
        dataset = mounts[0].dataset if mounts else "None"
        owner, key = requested.owner, requested.request_key
        for _ in range(_TRIES):
            requested.name = await self._names.next(owner, dataset, key)
            if claim is not None:
                await claim(requested.name)
            asked = partial(decide.request, requested=requested)
            try:
                return await self._sessions.decide(
                    requested.name, current().context(), asked, is_new=True
                )
            except AlreadyExists:
                self._names.was_taken(owner, key)
        raise AlreadyExists("No free number was found; try again.")
