"""What several runners of one session say, as one: each has its own order, together by time."""

from collections.abc import AsyncIterator, Iterable, Sequence

from nsml_protos.session_pb2 import Frame
from nsml_session.slots import START, Place, place


class Seen:
    """Up to which frame each runner of a session was heard."""

    def __init__(self, after: Iterable[Place]) -> None:
        self.after = list(after)
        """By rank."""

    @classmethod
    def nothing(cls, ranks: int) -> "Seen":
        """Begin at the first frame of each."""
        return cls([START] * ranks)

    def is_old(self, frame: Frame) -> bool:
        """Tell whether a frame was heard before."""
        return place(frame) <= self.after[frame.ref.rank]

    def is_next(self, frame: Frame) -> bool:
        """Tell whether no frame is missing before this one."""
        attempt, number = self.after[frame.ref.rank]
        return place(frame) == (attempt, number + 1)

    def note(self, frame: Frame) -> None:
        """Note that a frame was heard."""
        self.after[frame.ref.rank] = max(self.after[frame.ref.rank], place(frame))


async def merged(streams: Sequence[AsyncIterator[Frame]]) -> AsyncIterator[Frame]:
    """Yield the frames of all, each stream's in its order, those with the earlier output first."""
    heads = [await anext(stream, None) for stream in streams]
    while True:
        waiting = [(_time(head), at) for at, head in enumerate(heads) if head is not None]
        if not waiting:
            return
        _, at = min(waiting)
        head = heads[at]
        heads[at] = await anext(streams[at], None)
        if head is not None:
            yield head


def _time(frame: Frame) -> tuple[int, int]:
    """Return when a frame's first output came; attempts follow one another, whatever clocks say."""
    return frame.ref.attempt, min((piece.time_us for piece in frame.log), default=0)
