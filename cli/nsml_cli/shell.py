"""A program beside a session: what is typed goes there, what it says comes here.

The one command that needs grpcio, which takes a while to import: requests and replies go both ways
at once.
"""

import os
import queue
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

import grpc

from nsml_client.access import path_of, process_of
from nsml_client.client import Client
from nsml_core import channels
from nsml_core.status import from_grpc
from nsml_protos.session_pb2 import (
    EndOfInput,
    ShellEnded,
    ShellInput,
    ShellOpen,
    ShellOutput,
    WindowSize,
)

_METHOD = "Sessions/Shell"
_READ_BYTES = 32 << 10
_WAITING_MAX = 4
"""Pieces of input that are read, and not yet sent."""

_KILLED = 128
_STDIN = 0


class Shell:
    """One program, from its start to its end."""

    def __init__(self, client: Client, opened: ShellOpen) -> None:
        self._client = client
        self._opened = opened
        self._words: queue.SimpleQueue[ShellInput] = queue.SimpleQueue()
        self._room = threading.Semaphore(_WAITING_MAX)

    def run(self) -> ShellEnded:
        """Return how it ended; whatever ends this first ends the program too."""
        process = process_of(_METHOD)
        self._client.require(process)
        with ExitStack() as stack:
            settings = self._client.settings
            channel = stack.enter_context(
                channels.connect_blocking(
                    settings.addresses[process], settings.tls, service=process
                )
            )
            method = channel.stream_stream(
                path_of(_METHOD), ShellInput.SerializeToString, ShellOutput.FromString
            )
            client = self._client
            metadata = client.metadata(process, client.next_request_id(), client.traceparent)
            call = method(self._inputs(), metadata=tuple(metadata))
            stack.callback(call.cancel)
            try:
                return self._follow(call, stack)
            except grpc.RpcError as error:
                raise from_grpc(error) from None

    def _follow(self, outputs: Iterator[ShellOutput], stack: ExitStack) -> ShellEnded:
        for output in outputs:
            match output.WhichOneof("output"):
                case "started":
                    self._begin(stack)
                case "stdout":
                    _write(sys.stdout.buffer.fileno(), output.stdout)
                case "stderr":
                    _write(sys.stderr.buffer.fileno(), output.stderr)
                case "ended":
                    return output.ended
        return ShellEnded(exit_code=_KILLED)

    def _begin(self, stack: ExitStack) -> None:
        if self._opened.HasField("terminal"):
            stack.enter_context(_resizing(self._words))
            stack.enter_context(_raw())
        threading.Thread(target=self._read, daemon=True).start()

    def _inputs(self) -> Iterator[ShellInput]:
        yield ShellInput(open=self._opened)
        while True:
            word = self._words.get()
            if word.HasField("data"):
                self._room.release()
            yield word

    def _read(self) -> None:
        data = b"?"
        while data:
            self._room.acquire()
            data = b""
            with suppress(OSError):  # no input is an input that has ended
                data = os.read(_STDIN, _READ_BYTES)
            if data:
                self._words.put(ShellInput(data=data))
        self._words.put(ShellInput(end=EndOfInput()))


def window_size() -> WindowSize:
    """Return the size of the terminal that this command was typed in."""
    columns, rows = os.get_terminal_size(_STDIN)
    return WindowSize(rows=rows, columns=columns)


@contextmanager
def _resizing(words: "queue.SimpleQueue[ShellInput]") -> Iterator[None]:
    def resized(_number: int, _frame: FrameType | None) -> None:
        words.put(ShellInput(resized=window_size()))

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextmanager
def _raw() -> Iterator[None]:
    """Hand every key on as it is; the terminal is as it was whatever ends the command."""
    before = termios.tcgetattr(_STDIN)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(_STDIN)
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(_KILLED + number)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
