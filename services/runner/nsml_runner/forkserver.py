"""A warm process that becomes a runner at once: `python -m nsml_runner.forkserver SOCKET [WORK]`.

It has imported all that a runner needs, and made no thread and no channel, so that its children
may make theirs. One line of JSON in, one line out:

    {"session", "attempt", "rank", "token", "work", "env"}  ->  {"pid", "started"}: now, or before
    {"op": "list"}  ->  {"runners": [{"session", "attempt", "pid", "started"}, …]}: those that run
    anything else   ->  {"error"}
"""

import contextlib
import fcntl
import gc
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from nsml_core import settings, telemetry
from nsml_core.errors import Error, Invalid, Refused
from nsml_runner import grounds, node, process
from nsml_runner.brood import Brood
from nsml_runner.ticket import Ticket

REQUEST_BYTES = 1 << 20
CRASHED = 1
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class ForkServer:
    """Single-threaded from end to end: a fork in a process with threads may inherit their locks."""

    def __init__(self, listener: socket.socket, config: settings.Settings, work: Path) -> None:
        self._work = work
        self._node = node.read(config.home)
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._signals, self._woken = socket.socketpair()
        self._brood = Brood()
        self._requests: dict[socket.socket, bytes] = {}
        self._leaving = False

    def serve(self) -> None:
        """Serve until told to end, and then until the last runner has ended."""
        self._watch_signals()
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
        process.warm()
        grounds.warm(self._node)
        # What is here now is shared with every child, unless its collector writes to it.
        gc.collect()
        gc.freeze()
        while not (self._leaving and self._brood.empty):
            for key, _ in self._selector.select():
                key.data(key.fileobj)

    def _watch_signals(self) -> None:
        for end in (self._signals, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)

    def _take_signals(self, signals: socket.socket) -> None:
        if set(signals.recv(4096)) & {signal.SIGTERM, signal.SIGINT}:
            self._leaving = True
            self._brood.dismiss()
        self._brood.bury()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        connection.setblocking(False)
        self._requests[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
        except (BlockingIOError, ConnectionError):
            data = b""
        request = self._requests[connection] + data
        *lines, self._requests[connection] = request.split(b"\n")
        for line in lines:
            self._answer(connection, line)
        if not data or len(request) > REQUEST_BYTES:
            self._hang_up(connection)

    def _answer(self, connection: socket.socket, line: bytes) -> None:
        try:
            answer = self._do(line)
        except Error as error:
            answer = {"error": error.sentence}
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except (BlockingIOError, ConnectionError):
            self._requests[connection] = b""  # it asks, and does not listen

    def _do(self, line: bytes) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except ValueError as error:
            raise Invalid(f"A request is one line of JSON: {error}.") from None
        if isinstance(values, dict) and values.get("op") == "list":
            self._brood.adopt(self._work)
            return {"runners": self._brood.told()}
        ticket = Ticket.of(values)
        if self._leaving:
            raise Refused("The platform is being shut down on this node.")
        return self._start(ticket)

    def _start(self, ticket: Ticket) -> dict[str, Any]:
        """Asked again for an attempt that still runs, name its runner."""
        running = self._brood.find(ticket.session, ticket.attempt)
        if running is not None:
            return running.told()
        # A child that is told to end while it still has our handlers would not hear of it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._become(ticket)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return self._brood.add(pid, ticket).told()

    def _become(self, ticket: Ticket) -> None:
        """Turn this child into a runner; it never returns."""
        code = CRASHED
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.setsid()
            self._selector.close()
            for end in (self._listener, self._signals, self._woken, *self._requests):
                end.close()
            code = process.run(ticket)
        except BaseException:  # noqa: BLE001 - this child's edge: what is above it is its parent's
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            # The parent's exit handlers are not this child's to run.
            os._exit(code)

    def _hang_up(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._requests[connection]
        connection.close()


def listen(path: Path) -> socket.socket | None:
    """Return the socket to serve on, or nothing where another forkserver does already."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_served(path):
            listener.close()
            return None
        # Under its name it can be connected to from the first moment on.
        unnamed = path.with_name("fork.new")
        unnamed.unlink(missing_ok=True)
        listener.bind(str(unnamed))
        unnamed.chmod(0o600)
        listener.listen(1024)
        unnamed.rename(path)
    return listener


def is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


def main() -> int:
    path, *rest = map(Path, sys.argv[1:]) if len(sys.argv) in {2, 3} else (None,)
    if path is None:
        sys.stderr.write("usage: python -m nsml_runner.forkserver SOCKET [WORK]\n")
        return 2
    listener = listen(path)
    if listener is None:
        sys.stderr.write(f"A forkserver is already there on {path}.\n")
        return 0
    # The scheduler that started this process may end; runners, and so this process, go on.
    with contextlib.suppress(PermissionError):
        os.setsid()
    config = settings.read()
    telemetry.preload(config.otlp_endpoint)
    ForkServer(listener, config, rest[0] if rest else config.work).serve()
    path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
