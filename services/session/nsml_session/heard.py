"""When the runner of each session was last heard, here or at another replica."""

from datetime import UTC, datetime

from nsml_protos.session_pb2 import AttemptRef
from nsml_session.frames import Frames


class Heard:
    """Keeps the times in memory; those from before a restart are in the tables of frames."""

    def __init__(self, frames: Frames, *, is_shared: bool = False) -> None:
        self._frames = frames
        self._is_shared = is_shared
        self._times: dict[str, dict[int, tuple[int, datetime]]] = {}
        """Of each session, by rank, the attempt and when."""

    def note(self, ref: AttemptRef) -> None:
        """Note that the runner of an attempt says something now."""
        times = self._times.setdefault(ref.name, {})
        if ref.attempt >= times.get(ref.rank, (0, None))[0]:
            times[ref.rank] = (ref.attempt, datetime.now(UTC))

    async def last(self, name: str, attempt: int, rank: int = 0) -> datetime | None:
        """Return when a runner of an attempt said its last word; None if it never did."""
        known, time = self._times.get(name, {}).get(rank, (0, None))
        if known == attempt and not self._is_shared:
            return time
        told = await self._frames.last_heard(name, attempt, rank)
        both = [one for one in (told, time if known == attempt else None) if one]
        return max(both, default=None)

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._times.pop(name, None)
