"""Without an endpoint there is no telemetry, and nothing of it is paid for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nsml_core import telemetry
from nsml_core.settings import SERVICES, Settings
from tests.local.homes import of_home

GIVEN = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_nothing_of_opentelemetry(service: str, config: Settings) -> None:
    told = ""
    with started(f"nsml_{service}", config) as process:
        assert process.stderr
        for line in process.stderr:
            told += line
            if " serves on " in line:
                process.send_signal(signal.SIGTERM)
    for left in of_home(config.home):  # the scheduler's forkserver outlives it
        left.kill()
    assert process.returncode == 0

    assert "nsml_core.telemetry" in told
    assert "opentelemetry" not in told


def started(module: str, config: Settings) -> "subprocess.Popen[str]":
    urls = {
        "NSML_HOME": str(config.home),
        "NSML_NATS_URL": config.nats_url,
        "NSML_NATS_MONITOR_URL": config.nats_monitor_url,
        "NSML_POSTGRES_URL": config.postgres_url,
    }
    rest = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", module],
        env=rest | urls,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_span_is_the_context_that_it_was_given() -> None:
    message = telemetry.Message("nsml.session.ann.None.1", traceparent=GIVEN)
    spans = [
        telemetry.span("work", GIVEN),
        telemetry.serving("/nsml.Sessions/Run", GIVEN, ""),
        telemetry.calling("/nsml.Sessions/Run", "unix:/s", GIVEN),
        telemetry.appending(message),
        telemetry.reacting("place", message),
    ]

    assert not telemetry.is_on()
    assert {(type(span), span.traceparent) for span in spans} == {(telemetry.Span, GIVEN)}


def test_instruments_count_for_nobody() -> None:
    telemetry.Counter("c", "{thing}", "Things.").add()
    telemetry.Gauge("g", "{thing}", "Things.").set(1)
    telemetry.Histogram("h", "s", "Seconds.", (1.0,)).record(1)
    telemetry.close()

    assert not telemetry.is_on()


def test_a_command_imports_nothing_of_opentelemetry(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nsml_cli", "ps"],
        env={"NSML_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "nsml_core.telemetry" in done.stderr
    assert "opentelemetry" not in done.stderr
