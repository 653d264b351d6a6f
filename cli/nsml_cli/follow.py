"""Following a session: its output as it comes, what it waits for meanwhile, and how it ended."""

import time
from typing import Protocol

from nsml_cli import output, sessions
from nsml_cli.exits import ExitCode
from nsml_cli.logtext import Writer
from nsml_cli.text import is_terminal
from nsml_client.client import Client
from nsml_client.place import Place
from nsml_core.errors import Unavailable
from nsml_protos import session_pb2

_IDLE_SECONDS = 1.0
_RECONNECT_SECONDS = 1.0
_RECONNECTS = 30
_SETTLE_SECONDS = 0.1
_SETTLE_TRIES = 50
_KILLED = 128  # shells add the signal's number to this


def everything(since_us: int = 0) -> session_pb2.LogsRequest:
    """Return what is followed: as it comes on a terminal, where bars move; else by lines."""
    return session_pb2.LogsRequest(since_us=since_us, lines=not is_terminal())


class Sink(Protocol):
    """Where output goes."""

    @property
    def has_written(self) -> bool:
        """Something was written."""

    def write(self, piece: session_pb2.LogPiece, session: str) -> None:
        """Write a piece of a session's output, or a line."""

    def close(self) -> None:
        """Write no more."""


class Follower:
    """Follows one session to its end."""

    def __init__(
        self,
        client: Client,
        name: str,
        wanted: session_pb2.LogsRequest | None = None,
        *,
        sink: Sink | None = None,
        quiet: bool = False,
    ) -> None:
        self._client = client
        self._name = name
        self._wanted = wanted or everything()
        self._place = Place(self._wanted.since_us)
        self._quiet = quiet  # to wait for the end without a word of the session's own
        self._writer = sink or Writer()
        self._told = ""

    def run(self) -> ExitCode | int:
        """Write the output until the session has ended; return the exit code to end with."""
        try:
            self.stream()
        except KeyboardInterrupt:
            self._writer.close()
            self._say_how_to_come_back()
            return ExitCode.INTERRUPTED
        self._writer.close()
        return self.ending()

    def stream(self) -> None:
        """The service may go away and come back: the session does not notice, nor should we."""
        for _ in range(_RECONNECTS):
            try:
                self._stream_once()
            except Unavailable:
                self._tell(
                    "The session service does not answer: the session goes on, we try again."
                )
                time.sleep(_RECONNECT_SECONDS)
            else:
                return
        self._stream_once()

    def _stream_once(self) -> None:
        replies = self._client.stream(
            "Sessions/Logs", self._request(), session_pb2.LogsReply, idle_seconds=_IDLE_SECONDS
        )
        for reply in replies:
            if reply is None:
                self._tell_what_it_waits_for()
                continue
            for piece in reply.pieces:
                if self._place.passes(piece) and not self._quiet:
                    self._writer.write(piece, self._name)

    def _request(self) -> session_pb2.LogsRequest:
        """Ask for what is wanted, from where we stand."""
        request = self._place.request(self._wanted)
        request.name, request.follow = self._name, True
        return request

    def _tell_what_it_waits_for(self) -> None:
        if self._writer.has_written:
            return
        one = sessions.get(self._client, self._name)
        if one.status == session_pb2.QUEUED:
            self._tell(sessions.status_line(one))

    def _tell(self, text: str) -> None:
        if text != self._told:
            output.note(text)
            self._told = text

    def ending(self) -> ExitCode | int:
        """The stream may end a moment before the session's last event is to be seen."""
        one = sessions.get(self._client, self._name)
        for _ in range(_SETTLE_TRIES):
            if not sessions.is_live(one):
                break
            time.sleep(_SETTLE_SECONDS)
            one = sessions.get(self._client, self._name)
        output.note(f"Session {one.name} has ended: {ending(one)}")
        return exit_code(one)

    def _say_how_to_come_back(self) -> None:
        output.note(
            f"\nSession {self._name} goes on: `nsml logs -f {self._name}` follows it again, "
            f"`nsml stop {self._name}` stops it."
        )


def ending(one: session_pb2.Session) -> str:
    """Return how a session ended, in one line."""
    is_stopped = one.status == session_pb2.STOPPED  # of these, the signal says little
    said = one.reason if is_stopped else one.outcome.message or one.reason
    word = sessions.status(one)
    return f"{word} ({said.rstrip('.')})." if said else f"{word}."


def exit_code(one: session_pb2.Session) -> ExitCode | int:
    """Return what `nsml run -f` ends with: the user's exit code, as a shell would say it."""
    if one.outcome.HasField("exit_code"):
        return one.outcome.exit_code
    if one.outcome.HasField("signal"):
        return _KILLED + one.outcome.signal
    return ExitCode.OK if one.status == session_pb2.EXITED else ExitCode.REFUSED
