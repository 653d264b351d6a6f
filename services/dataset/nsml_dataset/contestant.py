"""What one contestant has submitted to a board, and when they may submit again: pure."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import assert_never

from google.protobuf.message import Message

from nsml_core.decider import Aggregate, stamp
from nsml_core.errors import Exhausted, Invalid, NotFound, Refused
from nsml_dataset import board as boards
from nsml_protos.board_pb2 import (
    Board,
    Cheered,
    CheerWithdrawn,
    Contestant,
    Rescored,
    Score,
    Submission,
    SubmissionEntered,
    SubmissionFailed,
    SubmissionScored,
)

_REJECTED_KEPT = 100
"""The newest that failed; those before stay in the log, and count for nothing."""

Event = (
    SubmissionEntered | SubmissionScored | SubmissionFailed | Rescored | Cheered | CheerWithdrawn
)


def evolve(state: Contestant, event: Event, time: datetime) -> None:
    """Apply one event to a contestant."""
    match event:
        case SubmissionEntered():
            _entered(state, event, time)
        case SubmissionScored():
            found = _known(state, event.id)
            found.stage = Submission.SCORED
            found.prediction = event.prediction
            found.prediction_bytes = event.prediction_bytes
            _judged(found, event.score, time)
            stamp(found.ended, time)
        case SubmissionFailed():
            found = _known(state, event.id)
            found.stage = Submission.REJECTED
            found.reason = event.reason
            stamp(found.ended, time)
            _forget_oldest(state)
        case Rescored():
            _judged(_known(state, event.id), event.score, time)
        case Cheered():
            state.cheers.append(event.by)
        case CheerWithdrawn():
            state.cheers.remove(event.by)
        case _:
            assert_never(event)
    stamp(state.updated, time)


def _entered(state: Contestant, event: SubmissionEntered, time: datetime) -> None:
    state.board, state.owner = event.board, event.owner
    found = find(state, event.id)
    if found is None:
        found = state.submissions.add(id=event.id, stage=Submission.PENDING)
        stamp(found.entered, time)
    found.session = event.session
    found.origin.CopyFrom(event.origin)


def _judged(found: Submission, score: Score, time: datetime) -> None:
    judged = found.scores.add()
    judged.CopyFrom(score)
    stamp(judged.time, time)


def _forget_oldest(state: Contestant) -> None:
    rejected = [one.id for one in state.submissions if one.stage == Submission.REJECTED]
    for old in rejected[:-_REJECTED_KEPT]:
        state.submissions.remove(_known(state, old))


CONTESTANT = Aggregate("dataset", Contestant, Event, evolve)


def key(board: str, owner: str) -> str:
    """Return the key of a contestant: below their board's."""
    return f"{boards.key(board)}/{owner}"


def find(state: Contestant, submission: str) -> Submission | None:
    """Return a submission; None if there is none."""
    return next((one for one in state.submissions if one.id == submission), None)


def _known(state: Contestant, submission: str) -> Submission:
    found = find(state, submission)
    if found is None:
        raise NotFound(f"There is no submission {submission[:40]} of {state.owner}.")
    return found


def enter(
    state: Contestant, board: Board, entered: SubmissionEntered, now: datetime
) -> list[Message]:
    """Take a slot, or say when there is one again; the same submission takes one slot."""
    found = find(state, entered.id)
    if found is not None:
        is_same = found.session == entered.session or found.stage != Submission.PENDING
        return [] if is_same else [entered]
    check_open(board, now)
    check_slot(state, board, now)
    return [entered]


def check_open(board: Board, now: datetime) -> None:
    """Refuse what comes before a board opens, or after it has closed."""
    terms = board.terms
    if terms.HasField("start") and now < terms.start.ToDatetime(UTC):
        raise Refused(f"The board {board.name} opens at {_clock(terms.start.ToDatetime(UTC))}.")
    if terms.HasField("end") and now >= terms.end.ToDatetime(UTC):
        raise Refused(f"The board {board.name} closed at {_clock(terms.end.ToDatetime(UTC))}.")


def check_slot(state: Contestant, board: Board, now: datetime) -> None:
    """Refuse a submission beyond the limit."""
    pending = [one for one in state.submissions if one.stage == Submission.PENDING]
    wait = waiting(state, board, now)
    if wait:
        raise Exhausted(f"Rate limit exceeded: remained time: {_span(wait)}")
    if len(_recent(state, board, now, Submission.SCORED)) + len(pending) >= board.terms.successes:
        raise Exhausted(
            f"Rate limit exceeded: {pending[0].session} is being scored: wait for its end."
        )
    failed = _recent(state, board, now, Submission.REJECTED)
    if len(failed) >= board.terms.failures:
        wait = _left(failed[-board.terms.failures], board, _now(state, now))
        raise Exhausted(
            f"Rate limit exceeded: {len(failed)} submissions have failed of late; remained time: "
            f"{_span(wait)}; `nsml submit -t` shows what is wrong."
        )


def waiting(state: Contestant, board: Board, now: datetime) -> timedelta:
    """Return how long it is until a success falls out of the window; zero: there is room."""
    scored = _recent(state, board, now, Submission.SCORED)
    if len(scored) < board.terms.successes:
        return timedelta()
    return _left(scored[-board.terms.successes], board, _now(state, now))


def _recent(
    state: Contestant, board: Board, now: datetime, stage: "Submission.Stage.ValueType"
) -> list[Submission]:
    """Return what ended so within the window, oldest first."""
    ended = (one for one in state.submissions if one.stage == stage)
    clock = _now(state, now)
    recent = [one for one in ended if _left(one, board, clock)]
    return sorted(recent, key=lambda one: one.ended.ToNanoseconds())


def _left(one: Submission, board: Board, now: datetime) -> timedelta:
    window = timedelta(seconds=board.terms.window_seconds)
    return max(one.ended.ToDatetime(UTC) + window - now, timedelta())


def _now(state: Contestant, now: datetime) -> datetime:
    """A clock that was set back gives no time twice."""
    return max(now, state.updated.ToDatetime(UTC)) if state.HasField("updated") else now


def scored(
    state: Contestant, submission: str, score: Score, prediction: str, prediction_bytes: int
) -> list[Message]:
    """Note a score; only the first counts, and only a number is one."""
    found = _known(state, submission)
    _check_number(score)
    if found.stage == Submission.SCORED:
        return []
    if found.stage == Submission.REJECTED:
        raise Refused(f"The submission of {found.session} has ended: {found.reason}")
    return [
        SubmissionScored(
            id=submission, score=score, prediction=prediction, prediction_bytes=prediction_bytes
        )
    ]


def rescored(state: Contestant, submission: str, score: Score) -> list[Message]:
    """Note another judgement of the same prediction; the same one is no news."""
    found = _known(state, submission)
    _check_number(score)
    if found.stage != Submission.SCORED:
        raise Refused(f"The submission of {found.session} has no score to be mended.")
    last = Score()
    last.CopyFrom(found.scores[-1])
    last.ClearField("time")
    return [] if last == score else [Rescored(id=submission, score=score)]


def _check_number(score: Score) -> None:
    numbers = [score.value, *([score.private] if score.HasField("private") else [])]
    if not all(map(math.isfinite, numbers)):
        raise Invalid("A score that is not a number is none.")


def failed(state: Contestant, submission: str, reason: str) -> list[Message]:
    """Note that a submission ended without a score; its slot is free again."""
    found = find(state, submission)
    if found is None or found.stage != Submission.PENDING:
        return []
    return [SubmissionFailed(id=submission, reason=reason)]


def cheer(state: Contestant, by: str, *, is_own: bool, withdraw: bool) -> list[Message]:
    """Cheer a contestant once, or take that back; nobody cheers themself or a team of theirs."""
    if withdraw:
        return [CheerWithdrawn(by=by)] if by in state.cheers else []
    if is_own:
        raise Refused(
            f"You belong to {state.owner}, and nobody cheers themself: cheer another contestant."
        )
    return [] if by in state.cheers else [Cheered(by=by)]


def pending(contestants: Iterable[Contestant]) -> list[tuple[Contestant, Submission]]:
    """Return what has not ended yet."""
    return [
        (one, each)
        for one in contestants
        for each in one.submissions
        if each.stage == Submission.PENDING
    ]


def _span(time: timedelta) -> str:
    """Return such as 19m24s, or 1h2m3s."""
    minutes, seconds = divmod(max(math.ceil(time.total_seconds()), 1), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _clock(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")
