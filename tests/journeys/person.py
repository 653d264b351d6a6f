"""A person at a keyboard: a home, a folder, and the real `nsml` command."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm
from tests.watching import wait_for_line, wait_for_status

Done = subprocess.CompletedProcess[str]
Files = Mapping[str, str | bytes]

NONE: Files = {}

_STARTED = re.compile(r"Session (\S+) is started")
_FOREIGN = re.compile("NSML_|OTEL_|TRACEPARENT|COLUMNS|NO_COLOR")


@dataclass(frozen=True)
class Person:
    """Types commands, in a folder that is theirs alone."""

    home: Path
    folder: Path
    environ: Mapping[str, str]

    def nsml(self, *words: str, at: Path | None = None, **environ: str) -> Done:
        """Type a command, and wait for its end."""
        env = {**self.environ, **environ}
        done = warm.run("nsml_cli", *words, env=env, cwd=at or self.folder)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def says(self, *words: str, at: Path | None = None) -> str:
        """Type a command that does what it should; return what it prints."""
        done = self.nsml(*words, at=at)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.says(*words, "--json"))

    def refused(self, *words: str, code: int, at: Path | None = None) -> str:
        """Type a command that ends with this code; return the one sentence it says."""
        done = self.nsml(*words, at=at)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.strip()

    def types(self, *words: str, at: Path | None = None) -> "subprocess.Popen[str]":
        """Type a command, and go on while it runs."""
        # In the background, where signals are ignored, children would ignore them too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, "-m", "nsml_cli", *words],
            cwd=at or self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, name: str, files: Files) -> Path:
        """Make a folder of files."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def push(self, name: str, files: Files, *words: str) -> Path:
        """Push a folder of files as a dataset."""
        folder = self.write(name, files)
        self.says("dataset", "push", name, str(folder), *words)
        return folder

    def runs(self, script: str, *words: str, files: Files = NONE, name: str = "code") -> Done:
        """Run a script to its end, and watch."""
        code = self.write(name, {"main.py": script, **files})
        return self.nsml("run", "-g", "0", "-f", *words, at=code)

    def starts(self, script: str, *words: str, name: str = "code") -> str:
        """Start a session, and return its name."""
        code = self.write(name, {"main.py": script})
        return session(self.says("run", "-g", "0", *words, at=code))

    def wait(self, name: str, status: str) -> None:
        """Wait until a session has a status."""
        wait_for_status(self.environ, name, status)

    def hears(self, name: str, text: str) -> None:
        """Wait until a session has printed something."""
        wait_for_line(self.environ, name, text)


def session(said: str) -> str:
    """Return the name of the session that was started."""
    found = _STARTED.search(said)
    assert found, said
    return found[1]


def content(folder: Path) -> dict[str, bytes]:
    """Return everything that a folder holds."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a person who has this home."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    return {**kept, "NSML_HOME": str(home), **more}


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> Done:
    """Press Ctrl-C, or do worse; return how the command took it."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
    out, err = process.communicate()
    return Done(process.args, process.returncode, out, err)
