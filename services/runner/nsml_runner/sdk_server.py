"""Answers the SDK on the attempt's socket."""

import asyncio
import json
from pathlib import Path
from typing import Any, assert_never

from nsml_core.errors import Damaged, Error, Invalid
from nsml_protos.session_pb2 import Record
from nsml_runner.checkpoints import Checkpoints
from nsml_runner.conduct import Conduct
from nsml_runner.feed import Feed
from nsml_runner.messages import (
    Answer,
    Fetch,
    Keep,
    Listen,
    Load,
    Loaded,
    Message,
    Reports,
    Save,
    parse,
)
from nsml_runner.outputs import Outputs
from nsml_runner.questions import Questions

LINE_BYTES = 4 << 20
CONNECTIONS_MAX = 256
COMPLAINTS_MAX = 10
"""Lines in the session's log about messages that make no sense; more would drown its own output."""

GOODBYE_SECONDS = 2.0
"""For what the user's code said last, once it has ended."""


class SdkServer:
    """Serves any number of processes of one attempt."""

    def __init__(
        self,
        feed: Feed,
        checkpoints: Checkpoints,
        outputs: Outputs,
        questions: Questions,
        conduct: Conduct,
    ) -> None:
        self._conduct = conduct
        self._feed = feed
        self._checkpoints = checkpoints
        self._outputs = outputs
        self._questions = questions
        self._summary: dict[str, float] = {}
        self._complaints = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES)

    async def close(self) -> None:
        """Take in what was sent before the user's code ended, and hang up."""
        if self._server is not None:
            self._server.close()
        if self._connections:
            _, silent = await asyncio.wait(self._connections, timeout=GOODBYE_SECONDS)
            for connection in silent:
                connection.cancel()
            await asyncio.gather(*silent, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass  # whoever was speaking has died: that is told elsewhere
        finally:
            self._questions.leave(writer)
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                self._complain(f"it is longer than {LINE_BYTES} bytes")
                return
            if not line:
                return
            try:
                message = parse(line)
                if isinstance(message, Listen | Answer):
                    self._questions.hear(writer, message)
                    continue
                answer = await self._take(message)
            except Invalid as problem:
                self._complain(problem.sentence)
                continue
            if answer is not None:
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

    async def _take(self, message: Message) -> dict[str, Any] | None:
        match message:
            case Reports() | Record():
                self._hear(message)
                return None
            case Loaded():
                if self._conduct.loaded is not None:
                    self._conduct.loaded()
                return None
            case Save() | Keep():
                return self._store(message)
            case Load():
                return await self._load(message)
            case Fetch():
                return await self._fetch(message)
            case _:
                assert_never(message)

    def _hear(self, message: Reports | Record) -> None:
        if self._conduct.is_hidden:
            return
        if isinstance(message, Record):
            self._feed.record(message)
        else:
            self._summary.update(message.summary)
            self._feed.report(message)

    def _store(self, message: Save | Keep) -> dict[str, Any]:
        try:
            if not self._conduct.keeps:
                pass  # what a model says while it is used is none of its checkpoints
            elif isinstance(message, Keep):
                self._outputs.take(message)
            else:
                self._checkpoints.take(message, dict(self._summary), self._feed.points.counts)
        except Error as error:
            return {"id": message.id, "ok": False, "error": error.sentence}
        return {"id": message.id, "ok": True}

    async def _load(self, load: Load) -> dict[str, Any]:
        try:
            folder = await self._checkpoints.find(load.name, load.session, start=load.start)
        except (Error, OSError) as error:
            damaged = isinstance(error, Damaged)
            return {"id": load.id, "ok": False, "error": str(error), "damaged": damaged}
        return {"id": load.id, "ok": True, "path": str(folder)}

    async def _fetch(self, fetch: Fetch) -> dict[str, Any]:
        try:
            folder = await self._outputs.find(fetch.key)
        except (Error, OSError) as error:
            return {"id": fetch.id, "ok": False, "error": str(error)}
        return {"id": fetch.id, "ok": True, "path": str(folder) if folder else None}

    def _complain(self, problem: str) -> None:
        self._complaints += 1
        if self._complaints <= COMPLAINTS_MAX:
            self._feed.say(f"A message to the platform was ignored: {problem}.")
