"""The whole platform tells a real receiver what a run of a session does."""

import re
from pathlib import Path

import pytest

from nsml_core.settings import SERVICES
from nsml_local import embedded
from tests.telemetry.conftest import Nsml
from tests.telemetry.names import METRICS
from tests.telemetry.receiver import Receiver, receiving, values
from tests.telemetry.traces import Trace, arrived, eventually

ROOT = ("nsml-cli", "nsml run")
LEDGER_APPEND = ("nsml-ledger", "append nsml.ledger.>")
SETTLED = ("nsml-ledger", "settle nsml.session.>")
FIRST_LINE = ("nsml-runner", "first line")

FOLLOWED = re.compile(r"Session \S+/None/\d is started\nthe first line\n")
ENDED = re.compile(r"Session \S+/None/\d has ended: Exited\.\n")

TO_THE_LOG = [
    ROOT,
    ("nsml-cli", "nsml.Sessions/Run"),
    ("nsml-session", "nsml.Sessions/Run"),
    ("nsml-session", "append nsml.session.>"),
]
TO_THE_PLACE = [*TO_THE_LOG, ("nsml-scheduler", "place nsml.session.>")]
TO_THE_RUNNER = [
    *TO_THE_PLACE,
    ("nsml-scheduler", "start runner"),
    ("nsml-runner", "run attempt"),
]


def ran(nsml: Nsml, receiver: Receiver) -> Trace:
    done = nsml("run", "-f", "-g", "1")
    assert done.returncode == 0
    assert FOLLOWED.fullmatch(done.stdout)
    return arrived(receiver, ROOT, FIRST_LINE, SETTLED, LEDGER_APPEND)


@pytest.mark.usefixtures("platform")
def test_one_trace_from_the_command_to_the_first_line(receiver: Receiver, nsml: Nsml) -> None:
    trace = ran(nsml, receiver)

    assert trace.paths(FIRST_LINE) == [[*TO_THE_RUNNER, ("nsml-runner", "user code"), FIRST_LINE]]
    assert trace.paths(("nsml-runner", "prepare")) == [[*TO_THE_RUNNER, ("nsml-runner", "prepare")]]
    hold = [("nsml-scheduler", "nsml.Ledger/PlaceHold"), ("nsml-ledger", "nsml.Ledger/PlaceHold")]
    assert [*TO_THE_PLACE, *hold, LEDGER_APPEND] in trace.paths(LEDGER_APPEND)
    placed = [
        ("nsml-scheduler", "nsml.Placements/Place"),
        ("nsml-session", "nsml.Placements/Place"),
        ("nsml-session", "append nsml.session.>"),
    ]
    assert [*TO_THE_PLACE, *placed] in trace.paths(placed[-1])
    told = [
        ("nsml-runner", "nsml.Attempts/End"),
        ("nsml-session", "nsml.Attempts/End"),
        ("nsml-session", "append nsml.session.>"),
        SETTLED,
    ]
    assert [*TO_THE_RUNNER, *told] in trace.paths(SETTLED)


def test_names_and_attributes_follow_the_conventions(
    platform: Path, receiver: Receiver, nsml: Nsml
) -> None:
    trace = ran(nsml, receiver)
    served = trace.attributes(("nsml-session", "nsml.Sessions/Run"))
    called = trace.attributes(("nsml-cli", "nsml.Sessions/Run"))
    appended = trace.attributes(("nsml-session", "append nsml.session.>"))
    reacted = trace.attributes(("nsml-scheduler", "place nsml.session.>"))

    assert served == {
        "rpc.system.name": "grpc",
        "rpc.method": "nsml.Sessions/Run",
        "rpc.response.status_code": "OK",
        "nsml.request.id": appended["messaging.message.conversation_id"],
    }
    assert called["server.address"] == str(platform / "run" / "session.sock")
    assert (appended["messaging.system"], appended["messaging.operation.type"]) == ("nats", "send")
    assert re.fullmatch(
        r"nsml\.session\.[\w-]+\.None\.1", str(appended["messaging.destination.name"])
    )
    assert reacted["messaging.operation.type"] == "process"
    assert reacted["messaging.message.conversation_id"] == served["nsml.request.id"]


@pytest.mark.usefixtures("platform")
def test_every_process_says_who_it_is(receiver: Receiver, nsml: Nsml) -> None:
    ran(nsml, receiver)
    resources = [of for of, _ in receiver.spans]

    assert {of["service.name"] for of in resources} == {
        "nsml-cli", "nsml-runner", *(f"nsml-{name}" for name in SERVICES)
    }  # fmt: skip
    instances = {(of["service.name"], of["service.instance.id"]) for of in resources}
    assert len(instances) == len({of["service.name"] for of in resources})
    assert all(of["service.version"] and of["service.namespace"] == "nsml" for of in resources)


@pytest.mark.usefixtures("platform")
def test_metrics_and_logs_of_every_service(receiver: Receiver, nsml: Nsml) -> None:
    ran(nsml, receiver)

    def told() -> set[tuple[str, str, str]]:
        return {(of["service.name"], one.name, one.unit) for of, one in receiver.metrics}

    eventually(lambda: told() >= METRICS and statuses(receiver) == set(STATUSES))
    assert {f"nsml-{name}" for name in SERVICES} <= {
        of["service.name"] for of, one in receiver.logs if " serves on " in one.body.string_value
    }


STATUSES = ("queued", "allocated", "running", "exited")


def statuses(receiver: Receiver) -> set[str]:
    """Return the statuses that sessions came into, by the newest counter."""
    counters = [one for _, one in receiver.metrics if one.name == "nsml.session.transitions"]
    points = counters[-1].sum.data_points if counters else ()
    assert all(point.as_double + point.as_int == 1 for point in points)
    return {values(point.attributes)["nsml.session.status"] for point in points}


def test_a_collector_that_goes_and_comes_back_is_not_missed(
    environment: Path, nsml: Nsml, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        embedded.up(environment, progress=lambda _: None)
        ran(nsml, receiver)
    alone = [nsml("run", "-f", "-g", "1") for _ in range(3)]
    with receiving(int(receiver.endpoint.rpartition(":")[2])) as again:
        nsml("run", "-f", "-g", "1")
        arrived(again, ROOT, FIRST_LINE, SETTLED)
    embedded.down(environment, progress=lambda _: None)

    assert [done.returncode for done in alone] == [0, 0, 0]
    assert all(FOLLOWED.fullmatch(done.stdout) for done in alone)
    assert all(ENDED.fullmatch(done.stderr) for done in alone)
    for name in SERVICES:
        complaints = (environment / "logs" / f"{name}.log").read_text().count("Telemetry is lost")
        assert complaints <= 1
    assert "Traceback" not in (environment / "logs" / "runners.log").read_text()
