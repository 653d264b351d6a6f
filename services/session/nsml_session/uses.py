"""What each running session uses now: the newest sample of its runner."""

from nsml_protos.session_pb2 import Frame, Session, SessionUsage, Status, Usage
from nsml_session.frames import Frames


class Uses:
    """Keeps them in memory; those from before a restart are in the tables of frames."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._newest: dict[str, tuple[int, Usage]] = {}

    def hear(self, frame: Frame) -> None:
        """Take the samples of a frame; what is told again is no news."""
        for sample in frame.usage:
            attempt, known = self._newest.get(frame.ref.name, (0, Usage()))
            if (frame.ref.attempt, sample.time_us) > (attempt, known.time_us):
                self._newest[frame.ref.name] = (frame.ref.attempt, sample)

    async def of(self, session: Session) -> SessionUsage | None:
        """Return what a session uses; None before its first sample, and if it does not run."""
        if session.status != Status.RUNNING:
            return None
        current = session.attempts[-1].number
        attempt, sample = self._newest.get(session.name, (0, None))
        if attempt != current:
            sample = await self._frames.newest_usage(session.name, current)
        return sample and SessionUsage(name=session.name, attempt=current, usage=sample)

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._newest.pop(name, None)
