"""A blob service in its own process, which a test may kill."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nsml_core import auth
from nsml_core.blobs import Client
from nsml_core.caller import Caller

SERVER = Path(__file__).with_name("server.py")


@dataclass
class Service:
    """A blob service that can be stopped, killed and started again."""

    home: Path
    process: "subprocess.Popen[str]" = field(init=False)

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
        arguments = [self.address, self.url, str(self.home / "secret")]
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509 - the limit of a full disk; no threads take part
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

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
