"""What the examples of the SDK stand on: a runner, and scripts that run beside it."""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from array import array
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKPOINT_CALLBACKS = """
import os, nsml

def save(path):
    assert os.path.isabs(path) and os.listdir(path) == []
    with open(os.path.join(path, "model"), "w") as file:
        file.write(weights)

def load(path):
    print(open(os.path.join(path, "model")).read())

nsml.bind(save=save, load=load)
"""

SDK = Path(__file__).parents[2] / "sdk"


class Script:
    """A training script in a process of its own."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self._env = {**os.environ, "PYTHONPATH": str(SDK), **env}

    def start(self, source: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start the script; its ends of stdin, stdout and stderr are pipes."""
        main = self.folder / "main.py"
        fresh = self.folder / "main.py.new"
        fresh.write_text(textwrap.dedent(source), encoding="utf-8")
        fresh.replace(main)  # a rank that was started just now may not have read it yet
        return subprocess.Popen(
            [sys.executable, str(main), *arguments],
            cwd=self.folder,
            env={**self._env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        with self.start(source, *arguments, **env) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


class Runner:
    """The other side of the socket, as a process that can be stopped and killed."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        self.checkpoints = folder / "taken-over"
        self.checkpoints.mkdir()
        self._record = folder / "record"
        program = [sys.executable, str(Path(__file__).with_name("runner.py"))]
        self.process = subprocess.Popen(
            [*program, str(self.socket), str(self.checkpoints), str(self._record)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "listening\n"

    def hang(self) -> None:
        """Stop answering without going away."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Go away without a word."""
        self.process.kill()
        self.process.wait()

    def received(self) -> list[dict[str, Any]]:
        """End the runner in good order, and return everything it was sent."""
        self.process.terminate()
        assert self.process.wait() == 0
        return self.record()

    def record(self) -> list[dict[str, Any]]:
        """Return what it was sent until now."""
        return [json.loads(line) for line in self._record.read_text("utf-8").splitlines()]

    def points(self) -> list[dict[str, Any]]:
        """Return the reports among everything received, each as it was made."""
        batches = [message for message in self.received() if message["op"] == "points"]
        return [report for batch in batches for report in reports(batch)]

    def close(self) -> None:
        """Leave no process behind."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


def reports(batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the reports of one message, each as it was made."""
    kinds = {"which": "I", "steps": "d", "times": "q", "values": "d"}
    columns = {name: array(kind, b64decode(batch[name])) for name, kind in kinds.items()}
    values, summary = iter(columns["values"]), batch["summary"]
    for which, step, time in zip(columns["which"], columns["steps"], columns["times"], strict=True):
        told = {name: next(values) for name in batch["names"][which]}
        is_summary = bool(told) and told.keys() <= summary.keys()
        at = None if math.isnan(step) else step
        yield {"step": at, "time": time / 1e6, "values": told, "summary": is_summary}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, because that of a socket may not exceed about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="sdk-") as path:
        yield Path(path)


@pytest.fixture
def laptop(folder: Path) -> Script:
    """A script off the platform."""
    code = folder / "laptop"
    code.mkdir()
    return Script(code, {})


@pytest.fixture
def runner(folder: Path) -> Iterator[Runner]:
    """A runner that listens."""
    runner = Runner(folder)
    yield runner
    runner.close()


@pytest.fixture
def session(folder: Path, runner: Runner) -> Script:
    """A script in a session beside the runner."""
    code = folder / "code"
    code.mkdir()
    return Script(
        code,
        {
            "NSML_SOCKET": str(runner.socket),
            "NSML_SESSION": "ann/mnist/3",
            "NSML_CHECKPOINT_DIR": str(folder / "scratch"),
        },
    )
