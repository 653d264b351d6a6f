"""What is true of a board, what may be asked of it, and what then happens: pure."""

import re
from datetime import datetime
from typing import assert_never

from google.protobuf.message import Message

from nsml_core.decider import Aggregate, stamp
from nsml_core.errors import AlreadyExists, Invalid, NotFound, NotPermitted, Refused
from nsml_protos.board_pb2 import (
    Board,
    BoardChanged,
    BoardFrozen,
    BoardMended,
    BoardOpened,
    BoardRevealed,
    BoardThawed,
    Terms,
)
from nsml_protos.dataset_pb2 import Revision

SUCCESSES = 1
WINDOW_SECONDS = 3_600
FAILURES = 20
TIME_LIMIT_SECONDS = 3_600
EVALUATION_SECONDS = 600
CPUS = 4
PREDICTION_BYTES = 1 << 30
HOLD_SECONDS = 10
LABELS = "test_label"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
_WORDS = ("check", "create", "change", "freeze", "ls", "overall", "rescore", "reveal", "verify")
_TEXT_MAX = 2000
_SECONDS_MAX = 366 * 86_400

Event = BoardOpened | BoardChanged | BoardMended | BoardFrozen | BoardThawed | BoardRevealed


def evolve(state: Board, event: Event, time: datetime) -> None:
    """Apply one event to a board."""
    match event:
        case BoardOpened():
            state.name, state.owner, state.key = event.name, event.owner, event.key
            state.terms.CopyFrom(event.terms)
            state.revision.CopyFrom(event.revision)
            stamp(state.opened, time)
        case BoardChanged():
            state.terms.CopyFrom(event.terms)
        case BoardMended():
            state.revision.CopyFrom(event.revision)
            stamp(state.mended, time)
        case BoardFrozen():
            stamp(state.frozen, time)
        case BoardThawed():
            state.ClearField("frozen")
        case BoardRevealed():
            stamp(state.revealed, time)
        case _:
            assert_never(event)


BOARD = Aggregate("dataset", Board, Event, evolve)


def key(name: str) -> str:
    """Return the key of a board; a dataset's has no slash, so that this is none."""
    if not _NAME.fullmatch(name) or name in _WORDS:
        raise Invalid(
            f"'{name[:40]}' cannot be a board's name: use 1 to 20 letters, digits, - or _, "
            "beginning with a letter or digit, and no word of `nsml board`."
        )
    return f"board/{name}"


def create(state: Board, opened: BoardOpened) -> list[Message]:
    """Open a board under a name that nobody has used, but the same request."""
    if state.name and opened.key and state.key == opened.key:
        return []
    if state.name:
        raise AlreadyExists(f"There is a board {opened.name} already: choose another name.")
    return [opened]


def change(state: Board, terms: Terms | None, revision: Revision | None) -> list[Message]:
    """Agree on other terms, or judge by another revision of the dataset."""
    events: list[Message] = []
    if terms is not None and terms != state.terms:
        if terms.dataset != state.terms.dataset:
            raise Refused(f"The board {state.name} is on {state.terms.dataset}, and stays there.")
        events.append(BoardChanged(terms=terms))
    if revision is not None and revision.number != state.revision.number:
        events.append(BoardMended(revision=revision))
    return events


def freeze(state: Board, *, thaw: bool) -> list[Message]:
    """Show others the ranking as it stands now, or go on again."""
    if state.HasField("revealed") and not thaw:
        raise Refused(f"The board {state.name} is revealed: there is nothing left to hide.")
    if state.HasField("frozen") != thaw:
        return []
    return [BoardThawed() if thaw else BoardFrozen()]


def reveal(state: Board) -> list[Message]:
    """Show the private ranking to everybody."""
    return [] if state.HasField("revealed") else [BoardRevealed()]


def filled(asked: Terms) -> Terms:
    """Return the terms with every default written out."""
    terms = Terms()
    terms.CopyFrom(asked)
    for name, usual in _USUAL.items():
        if not getattr(terms, name):
            setattr(terms, name, usual)
    return terms


_USUAL: dict[str, int | str] = {
    "direction": Terms.HIGHER,
    "metric": "score",
    "successes": SUCCESSES,
    "window_seconds": WINDOW_SECONDS,
    "failures": FAILURES,
    "time_limit_seconds": TIME_LIMIT_SECONDS,
    "evaluation_seconds": EVALUATION_SECONDS,
    "cpus": CPUS,
    "prediction_bytes": PREDICTION_BYTES,
    "hold_seconds": HOLD_SECONDS,
    "labels": LABELS,
}


def check_terms(terms: Terms) -> None:
    """Refuse terms that make no sense."""
    if len(terms.description) > _TEXT_MAX or len(terms.metric) > _TEXT_MAX:
        raise Invalid(f"What a board says of itself has at most {_TEXT_MAX} characters.")
    if not 0 <= terms.public_share < 1:
        raise Invalid("public_share is above 0 and below 1, such as 0.3; without it all is public.")
    if terms.public_share and terms.private_labels:
        raise Invalid("Labels are split by public_share, or there is private_labels: not both.")
    if terms.sandbox not in {"", "docker"}:
        raise Invalid(f"sandbox is docker, or not said; not {terms.sandbox!r}.")
    times = (terms.window_seconds, terms.time_limit_seconds, terms.evaluation_seconds)
    if max(*times, terms.hold_seconds) > _SECONDS_MAX:
        raise Invalid("A time of a board is at most a year.")
    ordered = terms.start.ToNanoseconds() < terms.end.ToNanoseconds()
    if terms.HasField("start") and terms.HasField("end") and not ordered:
        raise Invalid("A board begins before it ends.")
    for path in (terms.labels, terms.private_labels):
        if path.startswith("/") or ".." in path.split("/"):
            raise Invalid(f"{path!r} is not a path inside the test split.")


def own(state: Board, *, is_owner: bool) -> None:
    """Refuse anybody but those whose it is, and admins."""
    if not is_owner:
        raise NotPermitted(f"The board {state.name} belongs to {state.owner}: ask them.")


def not_found(name: str) -> NotFound:
    """Return the error for a board that is not there, or that the caller may not know of."""
    return NotFound(f"There is no board {name[:40]}: `nsml board ls` shows those that you can see.")
