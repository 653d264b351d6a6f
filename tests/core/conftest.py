"""A server that must be refused."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsml_local import binaries


@pytest.fixture
def unsafe_nats(short_path: Path) -> Iterator[tuple[str, str]]:
    """A NATS at its default, which acknowledges too early: its URL and its monitor's."""
    ports = short_path / "ports"
    ports.mkdir()
    command = [str(binaries.nats_server()), "-a", "127.0.0.1", "-p", "-1", "-m", "-1"]
    command += ["-js", "-sd", str(short_path / "unsafe"), "--ports_file_dir", str(ports)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield _urls(ports, process)
        finally:
            process.terminate()


def _urls(ports: Path, process: "subprocess.Popen[bytes]") -> tuple[str, str]:
    while process.poll() is None:
        for file in ports.glob("*.ports"):
            found = json.loads(file.read_text())
            return found["nats"][0], found["monitoring"][0]
        time.sleep(0.02)
    raise AssertionError("the server did not start")
