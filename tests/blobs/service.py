"""A blob service in its own process, which a test may kill."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nsml_core import auth
from nsml_core.blobs import Client
from nsml_core.caller import Caller
from tests import warm

SERVER = "tests.blobs.server"


def _started(words: list[str], out: int) -> warm.Program:
    return warm.start(SERVER, *words, env=os.environ, cwd=Path.cwd(), out=out, err=2)


def _limited(words: list[str], out: int, limit: Callable[[], None]) -> "subprocess.Popen[bytes]":
    """Start one that has less than other processes: a full disk, say."""
    return subprocess.Popen(
        [sys.executable, "-m", SERVER, *words],
        stdout=out,
        preexec_fn=limit,  # noqa: PLW1509 - no threads take part
    )


@dataclass
class Service:
    """A blob service that can be stopped, killed and started again."""

    home: Path
    process: "warm.Program | subprocess.Popen[bytes]" = field(init=False)

    @property
    def address(self) -> str:
        return f"unix:{self.home}/blobs.sock"

    @property
    def store(self) -> Path:
        return self.home / "blobs"

    @property
    def url(self) -> str:
        return f"file://{self.store}"

    @property
    def token(self) -> str:
        return auth.issue(auth.make_secret(self.home / "secret"), Caller("user", "ann"))

    def start(self, before: Callable[[], None] | None = None) -> None:
        words = [self.address, self.url, str(self.home / "secret")]
        told, out = os.pipe()
        self.process = _limited(words, out, before) if before else _started(words, out)
        os.close(out)
        with os.fdopen(told) as said:
            assert said.readline() == "ready\n"

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait()

    def restart(self, number: int = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def verify(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Verify the store as an admin would, with the service down meanwhile."""
        self.stop()
        command = [sys.executable, "-m", "nsml_core.blobs", self.url, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.start()
        return done

    def client(self, *, shared: bool) -> Client:
        return Client(self.address, self.token, self.url if shared else "")

    def packs(self) -> list[Path]:
        return sorted((self.store / "packs").iterdir())

    def incoming(self) -> list[Path]:
        return list((self.store / "incoming").iterdir())

    async def has_let_go(self) -> bool:
        """Wait until the service has cleaned up after a call that was cancelled."""
        while self.incoming():
            await asyncio.sleep(0.05)
        return True
