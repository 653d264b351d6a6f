"""What each running session uses now: the newest sample of its runner."""

from nsml_protos.gangs import members
from nsml_protos.session_pb2 import Frame, Session, SessionUsage, Status, Usage
from nsml_session.frames import Frames


class Uses:
    """Keeps them in memory; those from before a restart are in the tables of frames."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._newest: dict[str, dict[int, tuple[int, Usage]]] = {}
        """Of each session, by rank, the attempt and the sample."""

    def hear(self, frame: Frame) -> None:
        """Take the samples of a frame; what is told again is no news."""
        ref = frame.ref
        for sample in frame.usage:
            newest = self._newest.setdefault(ref.name, {})
            attempt, known = newest.get(ref.rank, (0, Usage()))
            if (ref.attempt, sample.time_us) > (attempt, known.time_us):
                newest[ref.rank] = (ref.attempt, sample)

    async def of(self, session: Session) -> list[SessionUsage]:
        """Return what each member of a session uses that runs, from its first sample on."""
        if session.status != Status.RUNNING:
            return []
        current = session.attempts[-1]
        samples = [
            (member.rank, await self._newest_of(session.name, current.number, member.rank))
            for member in members(current)
        ]
        return [
            SessionUsage(name=session.name, attempt=current.number, usage=sample, rank=rank)
            for rank, sample in samples
            if sample is not None
        ]

    async def _newest_of(self, name: str, current: int, rank: int) -> Usage | None:
        attempt, sample = self._newest.get(name, {}).get(rank, (0, None))
        return (
            sample if attempt == current else await self._frames.newest_usage(name, current, rank)
        )

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._newest.pop(name, None)
