"""When the runner of each session was last heard."""

from datetime import UTC, datetime

from nsml_protos.session_pb2 import AttemptRef
from nsml_session.frames import Frames


class Heard:
    """Keeps the times in memory; those from before a restart are in the tables of frames."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._times: dict[str, tuple[int, datetime]] = {}

    def note(self, ref: AttemptRef) -> None:
        """Note that the runner of an attempt says something now."""
        if ref.attempt >= self._times.get(ref.name, (0, None))[0]:
            self._times[ref.name] = (ref.attempt, datetime.now(UTC))

    async def last(self, name: str, attempt: int) -> datetime | None:
        """Return when the runner of an attempt said its last word; None if it never did."""
        known, time = self._times.get(name, (0, None))
        return time if known == attempt else await self._frames.last_heard(name, attempt)

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._times.pop(name, None)
