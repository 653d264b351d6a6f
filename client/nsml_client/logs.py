"""What sessions print, line by line."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from nsml_client import names
from nsml_client.modes import Calls
from nsml_client.place import Place
from nsml_core.errors import Invalid, Unavailable
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import LogPiece, LogsRequest

_RECONNECT_SECONDS = 1.0
_RECONNECTS = 30
_STREAMS = {name.lower(): number for name, number in session_pb2.Source.items() if number}


@dataclass(frozen=True)
class Line:
    """A line of a session's output."""

    text: str
    """Without its end; bytes that are no UTF-8 are replaced."""

    stream: str
    """`stdout` or `stderr`; `build` and `platform` for what the platform says before and beside."""

    time: datetime
    """By the clock of its node."""

    rank: int = 0
    """Of the process that printed it, among those of its session."""

    attempt: int = 0

    dropped: int = 0
    """So many bytes of output are missing here; the text says so in words."""


def request(  # noqa: PLR0913 - what can be asked of logs
    name: str,
    *,
    follow: bool = False,
    tail: int = 0,
    since: names.At = "",
    until: names.At = "",
    grep: str = "",
    streams: Sequence[str] = (),
    ranks: Sequence[int] = (),
) -> LogsRequest:
    """Return the request for lines."""
    unknown = sorted(set(streams) - set(_STREAMS))
    if unknown:
        raise Invalid(f"There is no stream {unknown[0]!r}: there are {', '.join(_STREAMS)}.")
    return LogsRequest(
        name=name,
        follow=follow,
        lines=True,
        tail=tail,
        since_us=names.then(since).time_us,
        until_us=names.then(until).time_us,
        pattern=grep,
        sources=[_STREAMS[stream] for stream in streams],
        ranks=ranks,
    )


async def lines(calls: Calls, asked: LogsRequest) -> AsyncGenerator[Line, None]:
    """Yield lines; who follows goes on where it was when the service was away for a while."""
    left = _RECONNECTS if asked.follow else 0
    place = Place(asked.since_us)
    while True:
        replies = calls.stream("Sessions/Logs", place.request(asked), session_pb2.LogsReply)
        try:
            async with aclosing(replies):
                async for reply in replies:
                    for piece in filter(place.passes, reply.pieces):
                        yield _line(piece)
                        left = _RECONNECTS if asked.follow else 0
        except Unavailable:
            if not left:
                raise
            left -= 1
            await calls.sleep(_RECONNECT_SECONDS)
        else:
            return


def _line(piece: LogPiece) -> Line:
    return Line(
        text=piece.data.decode(errors="replace").removesuffix("\n"),
        stream=session_pb2.Source.Name(piece.source).lower(),
        time=datetime.fromtimestamp(piece.time_us / 1e6, UTC),
        rank=piece.rank,
        attempt=piece.attempt,
        dropped=piece.dropped,
    )
