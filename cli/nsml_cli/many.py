"""The logs of several sessions at once: what is there by time, what comes as it comes."""

import heapq
import threading
from collections.abc import Iterator, Sequence
from functools import partial

from nsml_cli import output
from nsml_cli.exits import ExitCode
from nsml_cli.follow import Follower, Sink
from nsml_client.client import Client
from nsml_core.errors import Error
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import LogPiece, LogsReply, LogsRequest

_IDLE_SECONDS = 30.0
_LOOK_SECONDS = 0.2


def pieces(client: Client, name: str, wanted: LogsRequest) -> Iterator[LogPiece]:
    """Yield what is asked for of one session's log."""
    request = LogsRequest()
    request.CopyFrom(wanted)
    request.name = name
    replies = client.stream("Sessions/Logs", request, LogsReply, idle_seconds=_IDLE_SECONDS)
    for reply in replies:
        yield from reply.pieces if reply else ()


def show(client: Client, found: Sequence[str], wanted: LogsRequest, sink: Sink) -> None:
    """Write what there is of several logs, in order of time."""
    logs = [_named(name, pieces(client, name, wanted)) for name in found]
    for piece, name in heapq.merge(*logs, key=_time):
        sink.write(piece, name)
    sink.close()


def _named(name: str, log: Iterator[LogPiece]) -> Iterator[tuple[LogPiece, str]]:
    return ((piece, name) for piece in log)


def _time(one: tuple[LogPiece, str]) -> int:
    return one[0].time_us


class _Shared:
    """A sink that several threads write to."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()

    @property
    def has_written(self) -> bool:
        return self._sink.has_written

    def write(self, piece: LogPiece, session: str) -> None:
        with self._lock:
            self._sink.write(piece, session)

    def close(self) -> None:
        """The others go on."""


def follow(found: Sequence[str], wanted: LogsRequest, sink: Sink) -> ExitCode | int:
    """Follow several sessions until all have ended; return the highest of their exit codes."""
    shared = _Shared(sink)
    codes: list[ExitCode | int] = []
    # A client serves one thread. They end with this process, whatever they wait for.
    threads = [
        threading.Thread(target=partial(_follow, name, wanted, shared, codes), daemon=True)
        for name in found
    ]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            threads[0].join(_LOOK_SECONDS)
            threads.append(threads.pop(0))
    except KeyboardInterrupt:
        output.note("\nThe sessions go on: `nsml ps` shows them.")
        return ExitCode.INTERRUPTED
    sink.close()
    return max(codes)


def _follow(
    name: str, wanted: session_pb2.LogsRequest, sink: Sink, codes: list[ExitCode | int]
) -> None:
    client = Client()
    try:
        follower = Follower(client, name, wanted, sink=sink)
        follower.stream()
        codes.append(follower.ending())
    except Error as error:
        output.fail(error.sentence)
        codes.append(ExitCode.REFUSED)
    finally:
        client.close()
