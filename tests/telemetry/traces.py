"""Traces as a test reads them: which span lies below which."""

import time
from collections.abc import Callable

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.telemetry.receiver import Receiver, values

Name = tuple[str, str]
"""The service that a span comes from, and what it is called."""


def eventually(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


class Trace:
    """All spans of one trace that have arrived."""

    def __init__(self, receiver: Receiver, root: Name) -> None:
        named = [(str(of["service.name"]), span) for of, span in receiver.spans]
        root_span = next(span for of, span in named if (of, span.name) == root)
        self.spans = {
            span.span_id: (of, span) for of, span in named if span.trace_id == root_span.trace_id
        }

    def names(self) -> set[Name]:
        return {(of, span.name) for of, span in self.spans.values()}

    def orphans(self) -> list[Name]:
        """Name the spans whose parents have not arrived."""
        return [
            (of, span.name)
            for of, span in self.spans.values()
            if span.parent_span_id and span.parent_span_id not in self.spans
        ]

    def find(self, name: Name) -> Span:
        return next(span for of, span in self.spans.values() if (of, span.name) == name)

    def paths(self, name: Name) -> list[list[Name]]:
        """Return the ways from the root down to the spans of this name."""
        return [self._path(span) for of, span in self.spans.values() if (of, span.name) == name]

    def _path(self, span: Span) -> list[Name]:
        of, _ = self.spans[span.span_id]
        above = self.spans.get(span.parent_span_id)
        return [*(self._path(above[1]) if above else []), (of, span.name)]

    def attributes(self, name: Name) -> dict[str, object]:
        return values(self.find(name).attributes)


def arrived(receiver: Receiver, root: Name, *names: Name) -> Trace:
    """Wait until these spans of the trace are there, and with them all of their parents."""

    def complete() -> bool:
        if root not in {(of["service.name"], span.name) for of, span in receiver.spans}:
            return False
        trace = Trace(receiver, root)
        return set(names) <= trace.names() and not trace.orphans()

    eventually(complete)
    return Trace(receiver, root)
