"""The events of a session for a page: what each says, as names and values."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsml_protos.session_pb2 import HistoryLine

_VALUE_MAX = 300
_LONG = {"packages", "code_tree", "tree", "environment", "request_key", "traceparent"}
"""Told elsewhere, or of no use to a reader."""


@dataclass(frozen=True)
class Event:
    """One line of a history."""

    line: HistoryLine
    facts: Sequence[tuple[str, str]]

    @property
    def actor(self) -> str:
        """Return `user:ann` as ann, and a runner as its attempt."""
        kind, _, name = self.line.actor.partition(":")
        return f"runner {name.rpartition('#')[2]}" if kind == "runner" else name or kind


def told(lines: Sequence[HistoryLine]) -> list[Event]:
    """Return a history as it is shown."""
    return [Event(line, list(_facts(json.loads(line.detail or "{}")))) for line in lines]


def _facts(detail: object, path: str = "") -> Iterator[tuple[str, str]]:
    match detail:
        case dict():
            for name, value in detail.items():
                if name not in _LONG:
                    yield from _facts(value, f"{path} {name}".strip().replace("_", " "))
        case list() if detail and isinstance(detail[0], dict):
            for value in detail:
                yield from _facts(value, path)
        case list():
            yield path, " ".join(map(str, detail))[:_VALUE_MAX]
        case _:
            yield path, str(detail)[:_VALUE_MAX]
