"""Where a frame stands among all of its session."""

from nsml_protos.session_pb2 import Frame

Place = tuple[int, int]
"""Its attempt, and its number in the tables."""

START: Place = (0, 0)

RANK_BITS = 40
"""A frame's number in the tables has its runner's rank above so many bits of its own number."""

NUMBER_MAX = (1 << RANK_BITS) - 1


def slot(rank: int, number: int) -> int:
    """Return a frame's number in the tables; of rank 0, and so of most sessions, it is its own."""
    return rank << RANK_BITS | number


def place(frame: Frame) -> Place:
    """Return where a frame stands."""
    return (frame.ref.attempt, slot(frame.ref.rank, frame.number))
