"""Listens to the runner for questions, and takes the answers back to it.

What is asked at once is evaluated on a thread of its own, the rest by the training code when it
next reports. A question is a line of JSON, and so is its answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections import deque
from time import sleep

from nsml.constants import RUNNER_SOCKET
from nsml.evaluation import BOUNDS, SPACE, Evaluation
from nsml.terminal import TERMINAL
from nsml.wire import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONNECT_SECONDS = 10.0
RETRY_SECONDS = 10.0
SEND_TIMEOUT = struct.pack("ll", 1, 0)
"""A runner that stands still costs an answer, and the training no more than this second."""


class Listener:
    """One connection to the runner, one thread that listens on it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.reset()

    def reset(self) -> None:
        """Start anew, as a forked child must: the parent's thread and socket are not its own."""
        self._connection: socket.socket | None = None
        self._waiting: deque[tuple[str, Evaluation]] = deque()
        self._open: dict[str, Evaluation] = {}
        self._turn = threading.Lock()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._reports = False

    def start(self) -> None:
        """Begin to listen, unless that has been done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nsml-terminal", daemon=True)
            _start(self._thread)

    def answer(self) -> None:
        """Evaluate what waits, here and now; not within an evaluation, and not twice at a time."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if not self._reports:
                self._reports = True
                self._hello()
            while self._waiting:
                self._answer(*self._waiting.popleft())
        finally:
            self._turn.release()
        if self._waiting:  # it came as this turn ended, and whoever saw it found the turn taken
            TERMINAL.waiting = True

    def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError, ValueError):
                self._listen()
            # Without a runner that can be understood, nobody can ask.
            self._connection = None
            sleep(RETRY_SECONDS)

    def _listen(self) -> None:
        with connect(self._path, CONNECT_SECONDS) as connection:
            connection.settimeout(None)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEOUT)
            self._connection = connection
            self._hello()
            with connection.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))

    def _hello(self) -> None:
        rank = os.environ.get("RANK", "")
        self._send({
            "op": "listen",
            "rank": int(rank) if rank.isdecimal() else 0,
            "reports": self._reports,
        })  # fmt: skip

    def _take(self, asked: dict[str, Any]) -> None:
        name = str(asked["id"])
        if asked.get("take_back"):
            self._take_back(name)
            return
        evaluation = self._open[name] = Evaluation(str(asked["code"]))
        if asked.get("now"):
            _start(threading.Thread(target=self._answer, args=(name, evaluation), daemon=True))
        else:
            self._waiting.append((name, evaluation))
            TERMINAL.waiting = True

    def _take_back(self, name: str) -> None:
        evaluation = self._open.get(name)
        if evaluation is not None and evaluation.take_back():
            self._open.pop(name, None)
            self._send({"op": "answer", "id": name, "state": "not_reached"})

    def _answer(self, name: str, evaluation: Evaluation) -> None:
        SPACE.look_at(TERMINAL.scope, TERMINAL.module)
        said = evaluation.run()
        self._open.pop(name, None)
        if said is not None:
            self._send({"op": "answer", "id": name, **said})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._sending:
            connection = self._connection
            if connection is None:
                return
            try:
                connection.sendall(data)
            except OSError:
                self._connection = None  # it may have been cut in the middle of a line
                _hang_up(connection)


def _start(thread: threading.Thread) -> None:
    # None can be had as the interpreter ends: whoever asked hears that the code has ended.
    with contextlib.suppress(RuntimeError):
        thread.start()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that listens on it


LISTENER = Listener(RUNNER_SOCKET)


def _reset() -> None:
    BOUNDS.reset()
    LISTENER.reset()


os.register_at_fork(after_in_child=_reset)
