"""Environments of the peers: each made once for a version of its requirements, and run in."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import figures
from bench.figures import Row

_HERE = Path(__file__).parent
_SECONDS = 300


def install(environment: Path, requirements: str) -> None:
    """Make an environment, unless it is there as the requirements of this name want it."""
    wanted = (_HERE / requirements).read_text()
    stamp = environment / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("  installing the peers", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    pip: list[Path | str] = [environment / "bin/python", "-m", "pip", "install"]
    quiet: list[Path | str] = ["--quiet", "--quiet", "--require-hashes", "-r", _HERE / requirements]
    subprocess.run([*pip, *quiet], check=True)
    stamp.write_text(wanted)


def measure(
    name: str, command: Sequence[Path], row: Callable[[str, dict[str, Any]], Row], **more: str
) -> bool:
    """Run a peer's program, keep and show what it found; say so if it does not run here."""
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as home:
        log = Path(home) / "log"
        try:
            found = json.loads(output(command, {**os.environ, "HOME": home, **more}, log))
        except (subprocess.SubprocessError, ValueError) as error:
            last = log.read_text(errors="replace").strip().rpartition("\n")[2]
            print(f"  {name} did not run here ({type(error).__name__}): {last}")
            return False
    measured = row(name, found)
    figures.save(f"peer-{name}", measured)
    figures.show(measured)
    return True


def output(command: Sequence[Path], environment: dict[str, str], log: Path) -> str:
    """Return what a program printed; nothing that it started outlives it."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        printed, _ = process.communicate(timeout=_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return printed
