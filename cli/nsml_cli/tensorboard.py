"""TensorBoard's own program: found, started on a folder, and stopped with all that it started."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from nsml_core.errors import Refused

_ABSENT = (
    "TensorBoard is not installed beside nsml, and none is on your PATH: type "
    "`pip install 'nsml-cli[tensorboard]'`, or `pip install tensorboard`."
)
_ADDRESS = re.compile(r"TensorBoard \S+ at (https?://\S+)")
_GRACE_SECONDS = 5.0
_SECRETS = {"NSML_TOKEN"}


def program() -> list[str]:
    """Return what starts TensorBoard: that beside nsml, else that of the user's environment."""
    if find_spec("tensorboard") is not None:
        return [sys.executable, "-m", "tensorboard.main"]
    found = shutil.which("tensorboard")
    if found is None:
        raise Refused(_ABSENT)
    return [found]


@contextmanager
def folder_for(kept: Path | None) -> Iterator[Path]:
    """Give a folder for event files: the one that is to be kept, or one that goes afterwards."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        if any(kept.iterdir()):
            raise Refused(f"{kept} is not empty: name a new folder.")
        yield kept
        return
    with tempfile.TemporaryDirectory(
        prefix="nsml-tensorboard-", ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


class TensorBoard:
    """Runs for as long as the block does, for this machine alone."""

    def __init__(self, command: Sequence[str], folder: Path, port: int | None) -> None:
        self._command = [*command, "--logdir", str(folder), "--host", "127.0.0.1"]
        self._command += ["--reload_interval", "1"] + (["--port", str(port)] if port else [])
        self._said: deque[str] = deque(maxlen=20)
        self._address = ""
        self._is_known = threading.Event()

    def __enter__(self) -> Self:
        environ = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        self._before = signal.signal(signal.SIGTERM, _interrupt)
        self._process = subprocess.Popen(
            self._command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us, who stop it with all that it started
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
                break
        self._listening.join(_GRACE_SECONDS)
        signal.signal(signal.SIGTERM, self._before)

    def address(self) -> str:
        """Return where it is to be seen, once it is."""
        self._is_known.wait()
        if not self._address:
            self._failed()
        return self._address

    def wait(self) -> None:
        """Wait for Ctrl-C; it is an error if TensorBoard ends before."""
        self._process.wait()
        self._failed()

    def _failed(self) -> None:
        last = next((line for line in reversed(self._said) if line.strip()), "it said nothing")
        raise Refused(f"TensorBoard has ended: {last.strip()}")

    def _listen(self) -> None:
        """Take in what it says until it has nothing more to say."""
        assert self._process.stderr  # noqa: S101 - tells the type checker what was asked for
        with self._process.stderr as told:
            for line in told:
                self._said.append(line)
                if found := _ADDRESS.search(line):
                    self._address = found[1]
                    self._is_known.set()
        self._is_known.set()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
