"""A platform as a runner sees it: real gRPC servers, real blobs, and runners as processes."""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from nsml_core import auth, blobs, settings
from nsml_core.authority import rules
from nsml_core.blobs.store import Store
from nsml_core.caller import Caller
from nsml_core.directory import Directory
from nsml_core.gate import Gate
from nsml_dataset.blobs_servicer import Blobs
from nsml_protos import (
    blobs_pb2,
    blobs_pb2_grpc,
    board_pb2,
    board_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
)
from tests import warm
from tests.runner.recorder import BoardRecorder, Recorder, Told

TABLE = rules([
    session_pb2.DESCRIPTOR.services_by_name["Attempts"],
    blobs_pb2.DESCRIPTOR.services_by_name["Blobs"],
    board_pb2.DESCRIPTOR.services_by_name["Boards"],
])  # fmt: skip


async def no_log(position: int) -> None:
    raise AssertionError(f"there is no log here, but position {position} was asked for")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells of."""
    while not condition():
        await asyncio.sleep(0.02)


class Platform:
    """What a runner talks to, and the means to start one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = settings.read({"NSML_HOME": str(home)})
        settings.make_run_dir(home)
        self.secret = auth.make_secret(self.settings.secret_file)
        self.recorder = Recorder()
        self.boards = BoardRecorder()  # type: ignore[abstract]
        self.store = Store(self.settings.blobs_url)
        self._numbers = itertools.count(1)
        self._servers: dict[str, grpc.aio.Server] = {}
        self.runners: dict[str, warm.Program] = {}

    async def open(self, name: str) -> None:
        """Serve; the address is the same each time."""
        server = grpc.aio.server(interceptors=[Gate(name, self.secret, TABLE, no_log, Directory())])
        if name == "session":
            session_pb2_grpc.add_AttemptsServicer_to_server(self.recorder, server)
        else:
            blobs_pb2_grpc.add_BlobsServicer_to_server(Blobs(self.store), server)
            board_pb2_grpc.add_BoardsServicer_to_server(self.boards, server)
        server.add_insecure_port(self.settings.addresses[name])
        await server.start()
        self._servers[name] = server

    async def shut(self, name: str) -> None:
        await self._servers.pop(name).stop(None)

    async def close(self) -> None:
        for process in self.runners.values():
            if process.returncode is None:
                process.terminate()
            await process.ended()
        for name in list(self._servers):
            await self.shut(name)
        self.store.close()

    def token(self, session: str, attempt: int) -> str:
        return auth.issue(self.secret, Caller("runner", session, attempt))

    async def push(self, folder: Path) -> str:
        user = auth.issue(self.secret, Caller("user", "ada", admin=True))
        async with blobs.Client(self.settings.addresses["dataset"], user) as client:
            return (await client.push(folder)).id

    async def push_files(self, files: Mapping[str, str | bytes]) -> str:
        folder = self.home / "pushed" / str(next(self._numbers))
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return await self.push(folder)

    async def assign(self, code: str | Mapping[str, str | bytes], **spec: Any) -> str:
        """Make a session of a script or of several files, and return its name."""
        files = {"main.py": code} if isinstance(code, str) else code
        name = f"ada/None/{next(self._numbers)}"
        devices = spec.pop("devices", [])
        session = session_pb2.Session(
            name=name,
            owner="ada",
            status=session_pb2.ALLOCATED,
            spec=session_pb2.Spec(
                code_tree=await self.push_files(files), **{"entry": "main.py", **spec}
            ),
            attempts=[session_pb2.Attempt(number=1, node="here", devices=devices)],
        )
        assignment = session_pb2.Assignment(session=session, attempt=1)
        self.recorder.told[name] = Told(assignment)
        return name

    def ticket(self, name: str, attempt: int = 1) -> dict[str, Any]:
        return {
            "session": name,
            "attempt": attempt,
            "token": self.token(name, attempt),
            "work": str(self.work(name, attempt)),
            "env": {"NSML_HOME": str(self.home)},
        }

    def work(self, name: str, attempt: int = 1) -> Path:
        return self.home / "work" / name / str(attempt)

    async def start(self, name: str, attempt: int = 1) -> Told:
        """Start a runner, alone."""
        file = self.home / f"ticket-{next(self._numbers)}.json"
        file.write_text(json.dumps(self.ticket(name, attempt)))
        words = ("nsml_runner", "--ticket", str(file))
        self.runners[name] = warm.start(*words, env=os.environ, cwd=Path.cwd(), out=1, err=2)
        return self.recorder.told[name]

    async def run(self, code: str | Mapping[str, str | bytes], **spec: Any) -> Told:
        """Run a session to its end."""
        name = await self.assign(code, **spec)
        told = await self.start(name)
        assert await self.runners[name].ended() == 0
        return told


@pytest.fixture
async def platform(short_path: Path) -> AsyncIterator[Platform]:
    async with AsyncExitStack() as stack:
        platform = Platform(short_path)
        stack.push_async_callback(platform.close)
        for name in ("session", "dataset"):
            await platform.open(name)
        yield platform
