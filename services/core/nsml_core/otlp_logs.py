"""Log records on their way to the collector, and what the exporters have to say about it."""

import logging
import time
from functools import cache
from typing import Any

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs._internal import std_to_otel
from opentelemetry.semconv.attributes import code_attributes as code
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nsml_core.calls import entered

REQUEST_ID = "nsml.request.id"
_SILENCE_SECONDS = 600.0

_propagator = TraceContextTextMapPropagator()


def context_of(traceparent: str) -> Context:
    """Return the trace context that a `traceparent` names; an empty one if it names none."""
    return _propagator.extract({"traceparent": traceparent}, Context())


class LogSender(logging.Handler):
    """Sends each record with the request and the trace that it belongs to."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._logger = cache(provider.get_logger)

    def emit(self, record: logging.LogRecord) -> None:
        call = entered()
        attributes: dict[str, Any] = {
            code.CODE_FILE_PATH: record.pathname,
            code.CODE_FUNCTION_NAME: record.funcName,
            code.CODE_LINE_NUMBER: record.lineno,
        }
        if call is not None:
            attributes[REQUEST_ID] = call.request_id
        self._logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                observed_timestamp=time.time_ns(),
                context=context_of(call.traceparent if call is not None else ""),
                severity_text=record.levelname,
                severity_number=std_to_otel(record.levelno),
                body=record.getMessage(),
                attributes=attributes,
                exception=record.exc_info[1] if record.exc_info else None,
            )
        )


class Complaints(logging.Handler):
    """Lets the exporters say now and then that they fail, and keeps the rest from the log."""

    _silent_until = 0.0

    @classmethod
    def take_over(cls, *, quiet: bool) -> None:
        """Be the one place to which OpenTelemetry's own log goes; when quiet, let nothing be."""
        logger = logging.getLogger("opentelemetry")
        logger.propagate = False
        logger.handlers = [logging.NullHandler() if quiet else cls(logging.ERROR)]

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE_SECONDS
            logging.getLogger("nsml.telemetry").warning(
                "Telemetry is lost, and nothing else: %s", record.getMessage()
            )
