"""A real session in the embedded mode: it outlives a crash of the platform, but never `down`."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nsml_local import embedded
from tests.local.homes import eventually, kill, of_home, pids, quiet

CODE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
print("training", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def training(folder: Path, short_path: Path) -> int:
    """The process of a session's code, with a child that ran away from it."""
    embedded.up(folder, progress=quiet)
    code = short_path / "code"
    code.mkdir()
    (code / "main.py").write_text(CODE)
    subprocess.run(
        [sys.executable, "-m", "nsml_cli", "run", "-e", "main.py"],
        cwd=code,
        env={**os.environ, "NSML_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    eventually(lambda: len(at_work(folder)) == 2)
    return at_work(folder)[0].pid


def at_work(folder: Path) -> list[psutil.Process]:
    """Processes of users' code: those that stand in the folder of an attempt."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                Path(process.cwd()).is_relative_to(folder / "work")
                and "-m" not in process.cmdline()
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
    return found


def test_down_ends_what_does_not_want_to_end(folder: Path, training: int) -> None:
    assert psutil.pid_exists(training)
    embedded.down(folder, progress=quiet)
    assert at_work(folder) == []
    assert of_home(folder) == []


def test_training_goes_on_when_the_platform_is_killed(folder: Path, training: int) -> None:
    kill(pids(folder)["supervisor"])
    embedded.up(folder, progress=quiet)
    assert training in {process.pid for process in at_work(folder)}
    embedded.down(folder, progress=quiet)
    assert at_work(folder) == []
