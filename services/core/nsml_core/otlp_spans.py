"""Spans and durations of what is done, named by OpenTelemetry's semantic conventions."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

import grpc
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv._incubating.metrics import messaging_metrics, rpc_metrics
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind, StatusCode

from nsml_core.errors import Error
from nsml_core.otlp_logs import REQUEST_ID, context_of
from nsml_core.telemetry import Attributes, Counter, Histogram, Message, Off, Span

# As the semantic conventions advise for both.
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_SERVED = Histogram(
    rpc_metrics.RPC_SERVER_CALL_DURATION, "s", "How long calls took to be answered.", _CALL_SECONDS
)
_CALLED = Histogram(
    rpc_metrics.RPC_CLIENT_CALL_DURATION, "s", "How long answers were awaited.", _CALL_SECONDS
)
_APPENDED = Histogram(
    messaging_metrics.MESSAGING_CLIENT_OPERATION_DURATION,
    "s",
    "How long entries took to be on disk.",
    _CALL_SECONDS,
)
_SENT = Counter(
    messaging_metrics.MESSAGING_CLIENT_SENT_MESSAGES, "{message}", "Entries appended to the log."
)
# The server's fault; any other code is an answer, for which who asked may be to blame.
_FAULTS = {
    "UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
}  # fmt: skip


class Spans(Off):
    """Begins spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def _begin(
        self, name: str, traceparent: str, kind: SpanKind, attributes: Attributes
    ) -> trace.Span:
        return self._tracer.start_span(name, context_of(traceparent), kind, dict(attributes))

    def span(self, name: str, traceparent: str, attributes: Attributes) -> Span:
        return _Recorded(self._begin(name, traceparent, SpanKind.INTERNAL, attributes))

    def serving(self, method: str, traceparent: str, request_id: str) -> Span:
        attributes = _rpc(method)
        span = self._begin(
            method[1:], traceparent, SpanKind.SERVER, attributes | {REQUEST_ID: request_id}
        )
        return _Served(span, _SERVED.record, attributes)

    def calling(self, method: str, address: str, traceparent: str) -> Span:
        attributes = _rpc(method) | _server(address)
        span = self._begin(method[1:], traceparent, SpanKind.CLIENT, attributes)
        return _Called(span, _CALLED.record, attributes)

    def appending(self, message: Message) -> Span:
        attributes = _operation("append", messaging.MessagingOperationTypeValues.SEND, message)
        name = f"append {attributes[messaging.MESSAGING_DESTINATION_TEMPLATE]}"
        span = self._begin(
            name, message.traceparent, SpanKind.PRODUCER, attributes | _about(message)
        )
        return _Timed(span, _append_ended, attributes)

    def reacting(self, name: str, message: Message) -> Span:
        attributes = _operation(name, messaging.MessagingOperationTypeValues.PROCESS, message)
        name = f"{name} {attributes[messaging.MESSAGING_DESTINATION_TEMPLATE]}"
        return _Recorded(
            self._begin(name, message.traceparent, SpanKind.CONSUMER, attributes | _about(message))
        )


class _Recorded(Span):
    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        at = span.get_span_context()
        super().__init__(f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}")
        self._span = span

    def end(self, code: str = "OK") -> None:
        if self._is_failure(code):
            self._span.set_attribute(ERROR_TYPE, code)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def _is_failure(self, code: str) -> bool:
        return code != "OK"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end(_code(error))


class _Timed(_Recorded):
    """Its duration is also counted."""

    __slots__ = ("_began", "_labels", "_record")

    def __init__(
        self, span: trace.Span, record: Callable[[float, Attributes], None], labels: Attributes
    ) -> None:
        super().__init__(span)
        self._record = record
        self._labels = labels
        self._began = time.perf_counter()

    def end(self, code: str = "OK") -> None:
        seconds = time.perf_counter() - self._began
        failure = {ERROR_TYPE: code} if self._is_failure(code) else {}
        self._record(seconds, {**self._labels, **failure})
        super().end(code)


class _Called(_Timed):
    __slots__ = ()

    def end(self, code: str = "OK") -> None:
        self._span.set_attribute(rpc.RPC_RESPONSE_STATUS_CODE, code)
        self._labels = {**self._labels, rpc.RPC_RESPONSE_STATUS_CODE: code}
        super().end(code)


class _Served(_Called):
    __slots__ = ()

    def _is_failure(self, code: str) -> bool:
        return code in _FAULTS


def _append_ended(seconds: float, attributes: Attributes) -> None:
    _APPENDED.record(seconds, attributes)
    _SENT.add(1, attributes)


def _code(error: BaseException | None) -> str:
    """Return the status code that this end stands for."""
    match error:
        case None:
            return "OK"
        case Error():
            return error.code
        case asyncio.CancelledError() | GeneratorExit() | KeyboardInterrupt():
            return "CANCELLED"
        case grpc.aio.AioRpcError():
            return str(error.code().name)
        case _:
            return "INTERNAL"


def _rpc(method: str) -> dict[str, str | int]:
    return {
        rpc.RPC_SYSTEM_NAME: rpc.RpcSystemNameValues.GRPC.value,
        rpc.RPC_METHOD: method.removeprefix("/"),
    }


def _server(address: str) -> dict[str, str | int]:
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return {SERVER_ADDRESS: rest}
    host, _, port = address.removeprefix("dns:").lstrip("/").rpartition(":")
    return {SERVER_ADDRESS: host, SERVER_PORT: int(port)} if port.isdigit() else {}


def _operation(
    name: str, kind: messaging.MessagingOperationTypeValues, message: Message
) -> dict[str, str | int]:
    service = message.subject.split(".")[1]
    return {
        messaging.MESSAGING_SYSTEM: "nats",
        messaging.MESSAGING_OPERATION_NAME: name,
        messaging.MESSAGING_OPERATION_TYPE: kind.value,
        messaging.MESSAGING_DESTINATION_TEMPLATE: f"nsml.{service}.>",
    }


def _about(message: Message) -> dict[str, str | int]:
    return {
        messaging.MESSAGING_DESTINATION_NAME: message.subject,
        messaging.MESSAGING_MESSAGE_ID: message.id,
        messaging.MESSAGING_MESSAGE_CONVERSATION_ID: message.request_id,
    }
