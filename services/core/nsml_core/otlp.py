"""Telemetry that is on: spans, metrics and logs, sent by OTLP over gRPC to a collector.

Names are those of OpenTelemetry's semantic conventions, as far as these reach. Where the collector
is, and what it is to get, say the `OTEL_…` variables, which the exporters read themselves. A
collector that is away costs what it would have learned, one line in the log now and then, and
nothing else: everything is sent by threads of its own, from queues with an end.
"""

import logging
import os
import platform
import threading
import time
import uuid
from importlib.metadata import version
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv._incubating.attributes.host_attributes import HOST_NAME
from opentelemetry.semconv._incubating.attributes.process_attributes import PROCESS_PID
from opentelemetry.semconv.attributes import service_attributes as service_is

from nsml_core.otlp_logs import Complaints, LogSender
from nsml_core.otlp_metrics import Instruments
from nsml_core.otlp_spans import Spans

# A brief process asks again only where the collector says that it should.
_BRIEF: dict[str, Any] = {
    "timeout": 1, "retryable_error_codes": {grpc.StatusCode.RESOURCE_EXHAUSTED},
}  # fmt: skip


class Otlp(Spans, Instruments):
    """Sends telemetry for as long as the process lives."""

    def __init__(self, service: str, *, brief: bool) -> None:
        patience = _BRIEF if brief else {}
        resource = _resource(service)
        self._exporters: list[Any] = [OTLPSpanExporter(**patience), OTLPLogExporter(**patience)]
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(self._exporters[0]))
        self._logs = LoggerProvider(resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(self._exporters[1]))
        readers = [] if brief else [self._metric_reader()]
        self._metrics = MeterProvider(readers, resource, shutdown_on_exit=False)
        Spans.__init__(self, self._traces.get_tracer("nsml"))
        Instruments.__init__(self, self._metrics.get_meter("nsml"))
        self._log_sender = LogSender(self._logs)
        logging.getLogger().addHandler(self._log_sender)
        Complaints.take_over(quiet=brief)

    def _metric_reader(self) -> PeriodicExportingMetricReader:
        exporter = OTLPMetricExporter()
        self._exporters.append(exporter)
        return PeriodicExportingMetricReader(exporter)

    def close(self, seconds: float) -> None:
        """Let each signal's thread send what it has; give up on a collector that takes nothing."""
        logging.getLogger().removeHandler(self._log_sender)
        providers = (self._traces, self._metrics, self._logs)
        senders = [threading.Thread(target=each.shutdown, daemon=True) for each in providers]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + seconds
        for sender in senders:
            sender.join(max(0.0, deadline - time.monotonic()))
        if any(sender.is_alive() for sender in senders):
            for exporter in self._exporters:
                exporter.shutdown()


def _resource(service: str) -> Resource:
    return Resource.create(
        {
            service_is.SERVICE_NAME: f"nsml-{service}",
            service_is.SERVICE_NAMESPACE: "nsml",
            service_is.SERVICE_VERSION: version("nsml-core"),
            service_is.SERVICE_INSTANCE_ID: str(uuid.uuid4()),
            HOST_NAME: platform.node(),
            PROCESS_PID: os.getpid(),
        }
    )
