"""Traces, metrics and logs for OpenTelemetry: the face that all code calls.

On where an endpoint is set, and then `nsml_core.otlp` does the work. Otherwise nothing of
OpenTelemetry is imported, and a call is one look at a variable.

Trace contexts travel as W3C `traceparent` strings: in metadata, in entries, in environments. An
empty one says that no trace has begun: the next span begins it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

Attributes = Mapping[str, str | int | float | bool]

_NONE: Attributes = {}


class Span:
    """A piece of work that nobody records: what happens inside has the context given."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def end(self, code: str = "OK") -> None:
        """Say that the work is done, and with which of gRPC's status codes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End with the code that the error stands for."""


@dataclass(frozen=True, slots=True)
class Message:
    """What telemetry says of an entry of the log."""

    subject: str
    id: str = ""
    request_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True)
class _Instrument:
    name: str
    unit: str
    """By UCUM, such as `s` or `By`; what is counted stands in braces, such as `{session}`."""

    description: str


class Counter(_Instrument):
    """What only grows."""

    def add(self, value: float = 1, attributes: Attributes = _NONE) -> None:
        """Count."""
        _exporter.add(self, value, attributes)


class Gauge(_Instrument):
    """What is so now."""

    def set(self, value: float, attributes: Attributes = _NONE) -> None:
        """Show this value until the next."""
        _exporter.set(self, value, attributes)


@dataclass(frozen=True)
class Histogram(_Instrument):
    """How values are spread."""

    boundaries: tuple[float, ...]

    def record(self, value: float, attributes: Attributes = _NONE) -> None:
        """Count a value among its like."""
        _exporter.record(self, value, attributes)


class Off:
    """Nobody listens; what listens has the same methods."""

    def span(self, _name: str, traceparent: str, _attributes: Attributes) -> Span:
        return Span(traceparent)

    def serving(self, _method: str, traceparent: str, _request_id: str) -> Span:
        return Span(traceparent)

    def calling(self, _method: str, _address: str, traceparent: str) -> Span:
        return Span(traceparent)

    def appending(self, message: Message) -> Span:
        return Span(message.traceparent)

    def reacting(self, _name: str, message: Message) -> Span:
        return Span(message.traceparent)

    def add(self, counter: Counter, value: float, attributes: Attributes) -> None:
        pass

    def set(self, gauge: Gauge, value: float, attributes: Attributes) -> None:
        pass

    def record(self, histogram: Histogram, value: float, attributes: Attributes) -> None:
        pass

    def close(self, seconds: float) -> None:
        pass


_exporter = Off()


def setup(service: str, endpoint: str, *, brief: bool = False) -> None:
    """Turn telemetry on for this process if there is an endpoint.

    A brief process, which does one thing and ends, has no metrics and waits for no collector.
    """
    global _exporter  # noqa: PLW0603 - a process has one exporter, as it has one log
    if endpoint:
        from nsml_core.otlp import Otlp

        _exporter = Otlp(service, brief=brief)


def preload(endpoint: str) -> None:
    """Import now what `setup` would, for processes that are forked from this one."""
    if endpoint:
        import nsml_core.otlp  # noqa: F401 - for the sake of the import


def is_on() -> bool:
    """Tell whether anybody listens; who has to work for an answer asks first."""
    return type(_exporter) is not Off


def close(seconds: float = 2.0) -> None:
    """Send what is left, and wait no longer than this."""
    global _exporter
    closing, _exporter = _exporter, Off()
    closing.close(seconds)


def span(name: str, traceparent: str, attributes: Attributes = _NONE) -> Span:
    """Begin a piece of work."""
    return _exporter.span(name, traceparent, attributes)


def serving(method: str, traceparent: str, request_id: str) -> Span:
    """Begin to answer a call; `method` as gRPC has it, `/nsml.Sessions/Run`."""
    return _exporter.serving(method, traceparent, request_id)


def calling(method: str, address: str, traceparent: str) -> Span:
    """Begin to make a call."""
    return _exporter.calling(method, address, traceparent)


def appending(message: Message) -> Span:
    """Begin to append an entry to the log."""
    return _exporter.appending(message)


def reacting(name: str, message: Message) -> Span:
    """Begin to do something about an entry of the log."""
    return _exporter.reacting(name, message)
