"""The events of a session for a page: what each says, as names and values."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsml_protos.session_pb2 import HistoryLine
from nsml_web import look

_VALUE_MAX = 300
_TREES = {"code_tree", "output_tree", "tree"}
_LONG = _TREES | {"packages", "environment", "request_key", "traceparent"}
"""Told elsewhere, or of no use to a reader."""
_BYTES = "bytes"


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


def _facts(detail: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield what an event says, by the last word for it."""
    match detail:
        case dict():
            for key, value in detail.items():
                if key not in _LONG:
                    yield from _facts(value, key)
        case list() if detail and isinstance(detail[0], dict):
            for value in detail:
                yield from _facts(value, name)
        case list():
            yield _title(name), " ".join(map(str, detail))[:_VALUE_MAX]
        case float():
            yield _title(name), look.value(detail)
        case _ if name.endswith(_BYTES):
            yield _title(name), look.size(int(str(detail)))
        case _:
            yield _title(name), str(detail)[:_VALUE_MAX]


def _title(name: str) -> str:
    """Return `code_bytes` as `code`: how large it is, its value says."""
    return (name.removesuffix(_BYTES) or "size").strip("_").replace("_", " ")
