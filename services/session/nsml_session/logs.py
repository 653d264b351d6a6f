"""A session's log by lines: which of them are asked for, and where to begin to read for them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import re2
from zstandard import ZstdDecompressor

from nsml_core.database import Pool
from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import Frame, LogPiece, LogsReply, LogsRequest
from nsml_session.lines import Lines
from nsml_session.slots import START, Place

_PAGE = 16
_CHUNK_BYTES = 256 << 10
_PATTERN_MAX = 1_000
_FIRST_WINDOW = 8
_CLOCKS = timedelta(minutes=10)
"""So far may the clocks of a node and of this service be apart."""

_COLOUR = re2.compile(r"\x1b\[[0-9;:]*m")


def wants_lines(request: LogsRequest) -> bool:
    """Tell whether lines are asked for; else pieces, as they came."""
    by_line = request.tail or request.until_us or request.pattern or request.ranks
    return bool(request.lines or by_line)


def checked(request: LogsRequest) -> LogsRequest:
    """Refuse what cannot be searched for, before anything is read."""
    _matcher(request.pattern)
    return request


class _Wanted:
    """Which lines are asked for."""

    def __init__(self, request: LogsRequest) -> None:
        self._request = request
        self._sources = frozenset(request.sources)
        self._ranks = frozenset(request.ranks)
        self._pattern = _matcher(request.pattern)

    def has(self, line: LogPiece) -> bool:
        request = self._request
        if line.time_us < request.since_us or 0 < request.until_us < line.time_us:
            return False
        if self._sources and line.source not in self._sources:
            return False
        if self._ranks and line.rank not in self._ranks:
            return False
        return self._pattern is None or _matches(self._pattern, line.data)


def _matches(pattern: "re2._Regexp", data: bytes) -> bool:
    text = data.rstrip(b"\n").decode(errors="replace")
    return pattern.search(_COLOUR.sub("", text)) is not None


def _matcher(pattern: str) -> "re2._Regexp | None":
    """Return a pattern ready to search with, in time linear in the text, whatever it is."""
    if not pattern:
        return None
    if len(pattern) > _PATTERN_MAX:
        raise Invalid(f"A pattern has at most {_PATTERN_MAX} characters.")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise Invalid(f"{pattern!r} is no regular expression: {said}.") from None


class Search:
    """One reading of a log: lines are put together and looked at in a thread of their own."""

    def __init__(self, request: LogsRequest) -> None:
        self._wanted = _Wanted(request)
        self._lines = Lines()

    async def of(self, frames: list[bytes]) -> list[LogPiece]:
        """Return the lines that are asked for, of frames as they are stored."""
        return await asyncio.to_thread(self._of, frames)

    def _of(self, frames: list[bytes]) -> list[LogPiece]:
        decompressor = ZstdDecompressor()  # one may not serve two threads
        return [
            line
            for frame in frames
            for line in self.live(Frame.FromString(decompressor.decompress(frame)))
        ]

    def live(self, frame: Frame) -> list[LogPiece]:
        return self._those(self._lines.take(frame))

    def settle(self) -> list[LogPiece]:
        return self._those(self._lines.settle())

    def finish(self) -> list[LogPiece]:
        return self._those(self._lines.finish(b""))

    def _those(self, lines: Iterable[LogPiece]) -> list[LogPiece]:
        return [line for line in lines if self._wanted.has(line)]


class Stored:
    """The frames with output of one session, as they are stored."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = name
        self.end = START
        """Where the newest frame that was read stands."""

    async def pages(self, after: Place, since_us: int) -> AsyncIterator[list[bytes]]:
        """Yield frames in order, without those that were heard long before a time."""
        since = datetime.fromtimestamp(max(0, since_us) / 1e6, UTC) - _CLOCKS
        self.end = after
        while True:
            rows = await self._pool.fetch(_AFTER, self._name, *self.end, since, _PAGE)
            if rows:
                self.end = (rows[-1]["attempt"], rows[-1]["number"])
                yield [row["data"] for row in rows]
            if len(rows) < _PAGE:
                return

    async def before_the_newest(self, count: int) -> Place:
        """Return the place before the newest so many frames."""
        row = await self._pool.fetchrow(_BACK, self._name, count)
        return (row["attempt"], row["number"]) if row else START


async def newest(stored: Stored, request: LogsRequest) -> tuple[Search, list[LogPiece]]:
    """Return the last lines, found from the end: so much is read as they need."""
    window = _FIRST_WINDOW
    while True:
        begin = await stored.before_the_newest(window)
        search, count = Search(request), 0
        found: deque[LogPiece] = deque(maxlen=request.tail)
        async for page in stored.pages(begin, request.since_us):
            lines = await search.of(page)
            count += len(lines)
            found.extend(lines)
        if not request.follow:
            rest = search.finish()
            count += len(rest)
            found.extend(rest)
        # The first line of a window may be the end of one.
        if begin == START or count > request.tail:
            return search, list(found)
        window *= 4


def replies(lines: list[LogPiece]) -> Iterator[LogsReply]:
    """Yield lines in replies of a bounded size."""
    pieces: list[LogPiece] = []
    size = 0
    for line in lines:
        pieces.append(line)
        size += len(line.data) + _LINE_COST_BYTES
        if size >= _CHUNK_BYTES:
            yield LogsReply(pieces=pieces)
            pieces, size = [], 0
    if pieces:
        yield LogsReply(pieces=pieces)


_LINE_COST_BYTES = 32
_AFTER = (
    "select attempt, number, data from session_frames.frame "
    "where name = $1 and has_log and (attempt, number) > ($2, $3) and heard >= $4 "
    "order by attempt, number limit $5"
)
_BACK = (
    "select attempt, number from session_frames.frame where name = $1 and has_log "
    "order by attempt desc, number desc offset $2 limit 1"
)
