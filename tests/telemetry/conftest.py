"""A platform that sends telemetry to a receiver of the test's own, and its command line."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsml_core import telemetry
from nsml_local import embedded
from tests.telemetry.receiver import Receiver, receiving

Nsml = Callable[..., "subprocess.CompletedProcess[str]"]

# What waits is sent often, so that a test need not wait long for it.
QUICK = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def sending(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """This process sends to a receiver; all that was sent has arrived once telemetry is closed."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    complaints = logging.getLogger("opentelemetry")
    before = (complaints.propagate, complaints.handlers)
    telemetry.setup("test", receiver.endpoint)
    yield receiver
    telemetry.close()
    complaints.propagate, complaints.handlers = before


@pytest.fixture
def environment(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a platform that sends nothing yet; return its home."""
    home = short_path / "home"
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("TRACEPARENT", raising=False)
    for name, value in {**QUICK, "NSML_HOME": str(home), "NSML_GPUS": "2"}.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def platform(
    environment: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The whole platform, with telemetry; return its home."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    embedded.up(environment, progress=lambda _: None)
    yield environment
    embedded.down(environment, progress=lambda _: None)


@pytest.fixture
def nsml(tmp_path: Path) -> Nsml:
    """The real command, in a folder with a script that says one line."""
    (tmp_path / "main.py").write_text("print('the first line')\n")

    def command(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "nsml_cli", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return command
