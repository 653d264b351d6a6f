"""Reading what sessions printed: logs from the first line to the live one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from nsml_core.errors import Unavailable
from nsml_core.store import Store
from nsml_protos.gangs import node_count
from nsml_protos.session_pb2 import Frame, LogPiece, LogsReply, LogsRequest, Session
from nsml_session.frames import Frames
from nsml_session.live import Hub, first_word
from nsml_session.logs import Search, Stored, newest, replies, wants_lines
from nsml_session.merging import Seen, merged
from nsml_session.slots import START
from nsml_session.state import LIVE
from nsml_session.told import Followed, Told, says
from nsml_session.uses import Uses

_CHUNK_BYTES = 256 << 10
_REMOVE_SECONDS = 60.0
_SETTLED = 6
"""Silences, half a second each, after which progress bars are taken for finished."""

Ended = asyncio.Queue[None]


class Reader:
    """Joins what is in the tables and what is told right now."""

    def __init__(
        self,
        sessions: Store[Session],
        frames: Frames,
        uses: Uses,
        told: Told,
        ended: Hub[None],
    ) -> None:
        self._sessions = sessions
        self.frames = frames
        self.uses = uses
        self._told = told
        self._ended = ended

    async def logs(self, name: str, request: LogsRequest) -> AsyncIterator[LogsReply]:
        """Yield what of a session's output is asked for; with follow, until it has ended."""
        read = self._lines if wants_lines(request) else self._pieces
        with self._ended.listening(name) as ended:
            async with self._told.listening(name) as told:
                async for reply in read(name, request, told, ended):
                    yield reply

    async def _pieces(
        self, name: str, request: LogsRequest, told: Followed, ended: Ended
    ) -> AsyncIterator[LogsReply]:
        seen = Seen.nothing(await self._runners(name))
        async for frame in self._written(name, seen):
            for reply in _replies(frame, request):
                yield reply
        if not request.follow:
            return
        yield LogsReply(live=True)
        async for word in self._live(name, told, ended, seen):
            for reply in _replies(word, request) if word is not None else ():
                yield reply

    async def _lines(
        self, name: str, request: LogsRequest, told: Followed, ended: Ended
    ) -> AsyncIterator[LogsReply]:
        await self.frames.flush(name)
        seen = Seen.nothing(await self._runners(name))
        stored = Stored(self.frames.pool, name)
        if len(seen.after) > 1:
            search, found = await self._lines_of_all(name, request, seen)
            for reply in replies(found):
                yield reply
        elif request.tail:
            search, found = await newest(stored, request)
            for reply in replies(found):
                yield reply
        else:
            search = Search(request)
            async for page in stored.pages(START, request.since_us):
                for reply in replies(await search.of(page)):
                    yield reply
        if len(seen.after) == 1:
            seen = Seen([stored.end])
        async for reply in self._lines_to_come(search, request, seen, told, ended):
            yield reply

    async def _lines_to_come(
        self, search: Search, request: LogsRequest, seen: Seen, told: Followed, ended: Ended
    ) -> AsyncIterator[LogsReply]:
        """Follow if that is asked for, and yield what is left at the end."""
        if request.follow:
            yield LogsReply(live=True)
            silent = 0
            async for word in self._live(request.name, told, ended, seen):
                silent = silent + 1 if word is None else 0
                for reply in replies(_live_lines(search, word, silent)):
                    yield reply
        for reply in replies(search.finish() if request.follow or not request.tail else []):
            yield reply

    async def _lines_of_all(
        self, name: str, request: LogsRequest, seen: Seen
    ) -> tuple[Search, list[LogPiece]]:
        """Return the lines of several runners, or the last of them, by time."""
        search = Search(request)
        found: deque[LogPiece] = deque(maxlen=request.tail or None)
        async for frame in self._written(name, seen):
            found.extend(search.live(frame))
        if request.tail and not request.follow:
            found.extend(search.finish())
        return search, list(found)

    async def _runners(self, name: str) -> int:
        return node_count((await self._sessions.get(name)).spec.resources)

    async def _written(self, name: str, seen: Seen) -> AsyncIterator[Frame]:
        """Yield what was taken in until now, those frames too that nobody was listening to."""
        await self.frames.flush(name)
        streams = [
            self.frames.read(name, "log", after, rank) for rank, after in enumerate(seen.after)
        ]
        async for frame in merged(streams):
            seen.note(frame)
            yield frame

    async def _live(
        self,
        name: str,
        told: Followed,
        ended: Ended,
        seen: Seen,
    ) -> AsyncIterator[Frame | None]:
        """Yield frames as they come, and None whenever none came for a moment."""
        while (await self._sessions.get(name)).status in LIVE or not told.empty():
            frame = await first_word(told, ended)
            if frame is None:
                yield None
                continue
            if seen.is_old(frame):
                continue
            if seen.is_next(frame) and says(frame):
                yield frame
            else:  # some were missed, or had no output, or this one is too large to be handed on
                async for missed in self._written(name, seen):
                    yield missed
            seen.note(frame)
        async for missed in self._written(name, seen):
            yield missed

    async def wait_until_ended(self, name: str) -> None:
        """Return once a session has ended."""
        with self._ended.listening(name) as ended:
            try:
                async with asyncio.timeout(_REMOVE_SECONDS):
                    while (await self._sessions.get(name)).status in LIVE:
                        await first_word(ended, ended)
            except TimeoutError:
                raise Unavailable(f"{name} has not ended yet; try again shortly.") from None


def _live_lines(search: Search, word: Frame | None, silent: int) -> list[LogPiece]:
    """Return the lines that a frame ends, or a silence: they will not be written over any more."""
    if word is not None:
        return search.live(word)
    return search.settle() if silent == _SETTLED else []


def _replies(frame: Frame, request: LogsRequest) -> list[LogsReply]:
    """Return a frame's output in replies of a bounded size."""
    replies: list[LogsReply] = []
    pieces: list[LogPiece] = []
    size = 0
    for piece in frame.log:
        if piece.time_us < request.since_us:
            continue
        if request.sources and piece.source not in request.sources:
            continue
        pieces.append(piece)
        size += len(piece.data)
        if size >= _CHUNK_BYTES:
            replies.append(LogsReply(pieces=pieces))
            pieces, size = [], 0
    return [*replies, LogsReply(pieces=pieces)] if pieces else replies
