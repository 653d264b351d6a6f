"""A real OTLP receiver: it speaks the collector's protocol on loopback and keeps what it gets."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Values = dict[str, Any]


@dataclass
class Receiver:
    """What has arrived, each with the resource that it came from."""

    endpoint: str
    spans: list[tuple[Values, Span]] = field(default_factory=list)
    metrics: list[tuple[Values, Metric]] = field(default_factory=list)
    logs: list[tuple[Values, LogRecord]] = field(default_factory=list)


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        self._receiver.spans += [
            (values(of.resource.attributes), span)
            for of in request.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(
        self, request: Any, context: Any
    ) -> metrics_service_pb2.ExportMetricsServiceResponse:
        self._receiver.metrics += [
            (values(of.resource.attributes), metric)
            for of in request.resource_metrics
            for scope in of.scope_metrics
            for metric in scope.metrics
        ]
        return metrics_service_pb2.ExportMetricsServiceResponse()


class Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> logs_service_pb2.ExportLogsServiceResponse:
        self._receiver.logs += [
            (values(of.resource.attributes), record)
            for of in request.resource_logs
            for scope in of.scope_logs
            for record in scope.log_records
        ]
        return logs_service_pb2.ExportLogsServiceResponse()


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    assert bound
    receiver = Receiver(f"http://127.0.0.1:{bound}")
    adders: list[Any] = [
        (trace_service_pb2_grpc.add_TraceServiceServicer_to_server, Traces),
        (metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server, Metrics),
        (logs_service_pb2_grpc.add_LogsServiceServicer_to_server, Logs),
    ]
    for add, servicer in adders:
        add(servicer(receiver), server)
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def values(attributes: "Any") -> Values:
    """Return attributes as plain values."""
    found: Values = {}
    attribute: KeyValue
    for attribute in attributes:
        kind = attribute.value.WhichOneof("value")
        found[attribute.key] = getattr(attribute.value, kind) if kind else None
    return found
