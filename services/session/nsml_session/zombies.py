"""Judges running sessions by their samples: whether they work, do nothing, or are to be stopped."""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import Call
from nsml_core.database import AWAY
from nsml_core.errors import Error, Invalid
from nsml_core.store import Store
from nsml_protos.gangs import members
from nsml_protos.session_pb2 import Frame, Session, Status
from nsml_session.attempts_servicer import stop_order
from nsml_session.frames import Frames
from nsml_session.idle import Idleness, Rules, judge, observe, together
from nsml_session.orders import Orders
from nsml_session.state import current_attempt

_ME = Caller("service", "session")
_SLACK_SECONDS = 60.0

_log = logging.getLogger("nsml.zombies")


def rules(environ: Mapping[str, str]) -> Rules:
    """Read what counts as doing nothing, and what is done about it."""
    return Rules(
        after_seconds=_number(environ, "NSML_ZOMBIE_AFTER", 3600),
        gpu_below=_number(environ, "NSML_ZOMBIE_GPU_BELOW", 5) / 100,
        cpu_below=_number(environ, "NSML_ZOMBIE_CPU_BELOW", 1) / 100,
        stops=environ.get("NSML_ZOMBIE_STOP", "") == "yes",
        grace_seconds=_number(environ, "NSML_ZOMBIE_GRACE", 600),
    )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name) or default)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise Invalid(f"{name} must be a number, zero or more.")
    return value


@dataclass(frozen=True)
class _Known:
    """What the samples of an attempt said, up to a frame."""

    attempt: int
    frame: int
    idleness: Idleness

    def after(self, frame: Frame, has: Session, by: Rules) -> "_Known":
        """Add a frame; one that came again is no news."""
        if frame.number <= self.frame:
            return self
        idleness = self.idleness
        for sample in frame.usage:
            idleness = observe(idleness, sample, has.spec.resources, by)
        return replace(self, frame=frame.number, idleness=idleness)


class Zombies:
    """Knows of each session since when it does nothing; after a restart its frames tell it."""

    def __init__(self, sessions: Store[Session], frames: Frames, orders: Orders, by: Rules) -> None:
        self._sessions = sessions
        self._frames = frames
        self._orders = orders
        self._rules = by
        self._known: dict[str, dict[int, _Known]] = {}
        """Of each session, by rank."""

        self._told: asyncio.Queue[Frame] = asyncio.Queue()

    def hear(self, frame: Frame) -> None:
        """Take a frame to look at."""
        if frame.usage and self._rules.after_seconds:
            self._told.put_nowait(frame)

    async def watch(self) -> None:
        """Judge by what comes, for ever; what cannot be done now is done with the next sample."""
        while True:
            frame = await self._told.get()
            try:
                await self._judge(frame)
            except Error as error:
                _log.warning("%s: %s", frame.ref.name, error.sentence)
            except AWAY as error:
                _log.warning("%s: PostgreSQL is away: %s", frame.ref.name, error)

    async def _judge(self, frame: Frame) -> None:
        name, attempt = frame.ref.name, frame.ref.attempt
        state = await self._sessions.get(name)
        if state.status != Status.RUNNING:
            return
        of_all = self._known.setdefault(name, {})
        known = of_all.get(frame.ref.rank)
        if known is None or known.attempt != attempt:
            known = await self._remembered(frame, state)
        of_all[frame.ref.rank] = known.after(frame, state, self._rules)
        idleness = self._together(state, of_all)
        decision = partial(
            judge, attempt=attempt, idleness=idleness, rules=self._rules, actor=str(_ME)
        )
        if decision(state):
            after = await self._sessions.decide(name, Call(_ME).context(), decision)
            if after.stop_reason:
                await self._orders.tell(name, stop_order(after.stop_reason))

    def _together(self, state: Session, of_all: Mapping[int, _Known]) -> Idleness:
        """Return since when all members of a session do nothing."""
        attempt = current_attempt(state)
        known = [of_all.get(member.rank) for member in members(attempt)]
        return together(
            one.idleness if one and one.attempt == attempt.number else Idleness() for one in known
        )

    async def _remembered(self, frame: Frame, state: Session) -> _Known:
        """Return what frames before this one said: as much as can still matter."""
        matters = self._rules.after_seconds + self._rules.grace_seconds + _SLACK_SECONDS
        since = datetime.now(UTC) - timedelta(seconds=matters)
        known = _Known(frame.ref.attempt, 0, Idleness())
        for earlier in await self._frames.samples_before(frame, since):
            known = known.after(earlier, state, self._rules)
        return known

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._known.pop(name, None)
