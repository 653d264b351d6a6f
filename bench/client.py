"""The platform as a program sees it: gRPC calls, and the log's entries as they come."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.home import Platform
from nsml_core import jetstream
from nsml_core.clients import connect
from nsml_core.entry import Recorded
from nsml_core.follow import Follower
from nsml_core.log import STREAM
from nsml_local import home as homes
from nsml_protos import ledger_pb2, scheduler_pb2
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    LogsRequest,
    Lost,
    Resources,
    RunRequest,
    Session,
    SessionRef,
    Stopped,
)
from nsml_protos.session_pb2_grpc import SessionsStub

_ENDINGS = (Completed, Failed, Stopped, Lost)
_EVENTS = (ledger_pb2.Released, scheduler_pb2.NodeJoined)  # imported, so that entries can be read


@dataclass(frozen=True)
class Client:
    """Submits sessions of one code tree."""

    sessions: Any
    tree: str

    async def run(self) -> Session:
        """Submit a session that needs one core."""
        request = RunRequest(
            code_tree=self.tree,
            entry="main.py",
            resources=Resources(cpus=1),
            key=uuid.uuid4().hex,
        )
        reply = await self.sessions.Run(request)
        session: Session = reply.session
        return session

    async def first_output(self, name: str) -> str:
        """Return what a session printed first, once it has ended."""
        pieces = [
            piece.data
            async for reply in self.sessions.Logs(LogsRequest(name=name, follow=True))
            for piece in reply.pieces
        ]
        return b"".join(pieces).decode().split("\n", 1)[0]


@asynccontextmanager
async def connected(platform: Platform, example: str) -> AsyncIterator[Client]:
    """Yield a client that submits what an earlier session ran."""
    settings = platform.settings
    token = settings.token_file.read_text().strip()
    async with connect(settings.addresses["session"], token) as channel:
        sessions: Any = SessionsStub(channel)
        found = await sessions.Get(SessionRef(name=example))
        yield Client(sessions, found.spec.code_tree)


async def entries(platform: Platform, after: int) -> AsyncGenerator[Recorded, None]:
    """Yield what sessions and ledger put into the log, from a position on."""
    at = homes.find(platform.home)
    assert at is not None  # noqa: S101 - whoever follows a log has started it
    async with jetstream.connected(at.nats_url, "bench") as client:
        follower = Follower(client, STREAM, ["nsml.session.>", "nsml.ledger.>"])
        async with aclosing(follower.batches(after)) as batches:
            async for batch in batches:
                for record in batch:
                    yield record.decode()


def has_ended(entry: Recorded) -> bool:
    return any(isinstance(event, _ENDINGS) for event in entry.events)


def charged(entry: Recorded) -> list[str]:
    """Name the sessions that an entry of the ledger settles."""
    return [event.session for event in entry.events if isinstance(event, ledger_pb2.Released)]
