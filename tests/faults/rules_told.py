"""What user code told: each line, point and checkpoint that was taken from it is there, once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from nsml_protos import session_pb2 as pb
from tests.faults.history import Code, History, Violation
from tests.faults.rules_sessions import ENDINGS, lives

SERIES = "value"
MARK = b"line "
"""Begins every line that the code of a run prints: the rest is Python's or the platform's."""

Attempt = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Ending:
    """How an attempt ended: who could say its last word."""

    by_itself: bool
    """Its runner lived to the end: all that it was told is there."""

    in_order: bool
    """The code's interpreter came to its end: the SDK sent what it had queued."""


def lines_there_once(history: History) -> Iterator[Violation]:
    """Every printed line is there, once and in order; of a lost runner's, those before a moment."""
    yield from _numbered(history)
    found: defaultdict[Attempt, bytearray] = defaultdict(bytearray)
    for frame in history.frames:
        for piece in frame.log:
            if piece.source == pb.STDOUT:
                found[frame.ref.name, frame.ref.attempt] += piece.data
    endings = _endings(history)
    for code in history.codes:
        place = (code.session, code.attempt)
        lines = [line for line in bytes(found[place]).split(b"\n") if line.startswith(MARK)]
        ending = endings.get(place)
        told = [line.decode(errors="replace") for line in lines]
        yield from _compare("lines", code, told, code.lines, all_of_it=_heard(ending))


def points_there_once(history: History) -> Iterator[Violation]:
    """Every reported point is there, once and in order; of killed code, those before a moment."""
    found: defaultdict[Attempt, list[tuple[float, float]]] = defaultdict(list)
    for frame in history.frames:
        found[frame.ref.name, frame.ref.attempt] += _points(frame.points)
    endings = _endings(history)
    for code in history.codes:
        place = (code.session, code.attempt)
        ending = endings.get(place)
        whole = ending is not None and ending.by_itself and ending.in_order
        yield from _compare("points", code, found[place], code.points, all_of_it=whole)


def checkpoints_there(history: History) -> Iterator[Violation]:
    """Every checkpoint that a runner took over is in the log, once, if the runner came to tell."""
    saved: defaultdict[Attempt, list[str]] = defaultdict(list)
    for name, life, _, event in lives(history):
        if isinstance(event, pb.CheckpointSaved):
            saved[name, life.attempt].append(event.checkpoint.name)
    endings = _endings(history)
    for code in history.codes:
        place, where = (code.session, code.attempt), f"{code.session}#{code.attempt}"
        for name in code.saved:
            times = saved[place].count(name)
            if times > 1 or (times == 0 and _heard(endings.get(place))):
                yield Violation("checkpoints", where, f"{name} is there {times} times")


def _numbered(history: History) -> Iterator[Violation]:
    """Frames count up from 1 by one: what is acknowledged is never lost, nor stored twice."""
    last: defaultdict[tuple[str, int, int], int] = defaultdict(int)
    for frame in history.frames:
        place = (frame.ref.name, frame.ref.attempt, frame.ref.rank)
        if frame.number != last[place] + 1:
            what = f"frame {frame.number} comes after frame {last[place]}"
            yield Violation("frames", f"{place[0]}#{place[1]}", what)
        last[place] = frame.number


def _heard(ending: _Ending | None) -> bool:
    return ending is not None and ending.by_itself


def _endings(history: History) -> dict[Attempt, _Ending]:
    endings: dict[Attempt, _Ending] = {}
    for name, life, entry, event in lives(history):
        if isinstance(event, ENDINGS) and life.state != "queued":
            outcome = pb.Outcome() if isinstance(event, pb.Lost) else event.outcome
            by_itself = entry.entry.actor.startswith("runner:")
            endings[name, life.attempt] = _Ending(by_itself, outcome.HasField("exit_code"))
    return endings


def _points(points: pb.Points) -> Iterator[tuple[float, float]]:
    columns = zip(points.series_index, points.steps, points.values, strict=True)
    return ((step, value) for index, step, value in columns if points.series[index] == SERIES)


def _compare(
    rule: str, code: Code, found: Sequence[object], noted: Sequence[object], *, all_of_it: bool
) -> Iterator[Violation]:
    """Compare what arrived with what was noted; the last act may have come before its note."""
    where = f"{code.session}#{code.attempt}"
    for at, (there, said) in enumerate(zip_longest(found[: len(noted)], noted)):
        if there is None and not all_of_it:
            return
        if there != said:
            yield Violation(rule, where, f"number {at} is {there!r}, and {said!r} was accepted")
            return
    beyond = found[len(noted) :]
    if len(beyond) > 1 or any(again in noted for again in beyond):
        yield Violation(rule, where, f"{len(found)} arrived, and {len(noted)} were accepted")
