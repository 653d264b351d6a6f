"""What one process sends to a receiver, and how it ends when there is none that listens."""

import logging
import socket
import subprocess
import sys

import pytest

from nsml_core import calls, telemetry
from nsml_core.caller import Caller
from nsml_core.errors import NotFound, Unavailable
from tests.telemetry.receiver import Receiver, values

THINGS = telemetry.Gauge("nsml.test.things", "{thing}", "Things.")
WAITS = telemetry.Histogram("nsml.test.wait", "s", "Waits.", (1.0, 10.0))
ERROR = 2  # of a span's status


def test_a_trace_begins_where_none_was_given(sending: Receiver) -> None:
    with telemetry.span("root", "") as root, telemetry.span("inner", root.traceparent):
        pass
    telemetry.close()
    inner, outer = (span for _, span in sending.spans)

    assert (outer.name, outer.parent_span_id) == ("root", b"")
    assert (inner.trace_id, inner.parent_span_id) == (outer.trace_id, outer.span_id)
    assert root.traceparent.startswith(f"00-{outer.trace_id.hex()}-{outer.span_id.hex()}-")


def test_who_decided_not_to_sample_is_heard(sending: Receiver) -> None:
    with telemetry.span("inner", f"00-{'a' * 32}-{'b' * 16}-00") as inner:
        assert inner.traceparent.endswith("-00")
    telemetry.close()

    assert sending.spans == []


def test_a_refusal_is_an_answer_and_a_fault_is_an_error(sending: Receiver) -> None:
    for error in (NotFound("Not here."), Unavailable("Away."), ZeroDivisionError()):
        with pytest.raises(type(error)), telemetry.serving("/nsml.Sessions/Get", "", "r"):
            raise error
    telemetry.close()
    told = [(values(span.attributes), span.status.code) for _, span in sending.spans]

    assert [of["rpc.response.status_code"] for of, _ in told] == [
        "NOT_FOUND", "UNAVAILABLE", "INTERNAL",
    ]  # fmt: skip
    assert [of.get("error.type") for of, _ in told] == [None, "UNAVAILABLE", "INTERNAL"]
    assert [status for _, status in told] == [0, ERROR, ERROR]


def test_a_caller_takes_every_other_answer_for_an_error(sending: Receiver) -> None:
    telemetry.calling("/nsml.Sessions/Get", "dns:127.0.0.1:81", "").end("NOT_FOUND")
    telemetry.close()
    of = values(sending.spans[0][1].attributes)

    assert of["error.type"] == of["rpc.response.status_code"] == "NOT_FOUND"
    assert (of["server.address"], of["server.port"]) == ("127.0.0.1", 81)


def test_instruments_arrive(sending: Receiver) -> None:
    THINGS.set(1, {"nsml.kind": "round"})
    THINGS.set(3, {"nsml.kind": "round"})
    WAITS.record(5)
    telemetry.close()
    things, waits = sorted((one for _, one in sending.metrics), key=lambda one: one.name)

    assert [point.as_double or point.as_int for point in things.gauge.data_points] == [3]
    assert list(waits.histogram.data_points[0].bucket_counts) == [0, 1, 0]


def test_a_log_line_names_its_request_and_trace(sending: Receiver) -> None:
    message = telemetry.Message("nsml.session.ann.None.1", "entry", "request")
    with calls.reaction("place", Caller("service", "test"), message) as call:
        logging.getLogger("nsml.test").warning("it took %s s", 5)
    telemetry.close()
    _, record = sending.logs[0]

    assert (record.body.string_value, record.severity_text) == ("it took 5 s", "WARNING")
    assert values(record.attributes)["nsml.request.id"] == call.request_id == "request"
    assert record.trace_id.hex() in call.traceparent
    assert record.span_id == sending.spans[0][1].span_id


PROGRAM = """
import logging
from nsml_core import telemetry
logging.basicConfig(level=logging.INFO)
telemetry.setup("test", "yes", brief={brief})
for number in range(3000):
    with telemetry.span("work", ""):
        logging.getLogger("nsml.test").info("line %s", number)
telemetry.close(0.5)
print("done")
"""


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize("listens", [True, False])
def test_a_collector_that_takes_nothing_keeps_nobody(brief: bool, listens: bool) -> None:
    """One accepts connections and is silent, the other is not there at all."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(brief=brief)],
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
            capture_output=True,
            text=True,
            check=False,
        )
    strange = [line for line in done.stderr.splitlines() if not line.startswith("INFO:nsml.test:")]

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert len(strange) <= (0 if brief else 1)
