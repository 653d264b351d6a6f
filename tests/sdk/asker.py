"""The runner's end of the socket, as far as it asks."""

import contextlib
import json
import queue
import socket
import threading
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


class Asker:
    """The runner's end of the socket: takes reports in, and asks whoever listens."""

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._listener: socket.socket | None = None
        self._reports = False
        self._news = threading.Condition()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._connections: list[socket.socket] = []
        self._count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def ask(self, code: str, *, now: bool = False) -> Answer:
        """Ask and wait for the answer."""
        self.put(code, now=now)
        return self.answer()

    def put(self, code: str, *, now: bool = False) -> str:
        """Ask, and do not wait."""
        self._count += 1
        self._send({"id": str(self._count), "code": code, "now": now})
        return str(self._count)

    def take_back(self, name: str) -> Answer:
        """Take a question back, and wait for what is said of that."""
        self._send({"id": name, "take_back": True})
        return self.answer()

    def answer(self) -> Answer:
        """Return the next answer, without its address."""
        answer = self._answers.get()
        return {key: answer[key] for key in answer.keys() - {"op", "id"}}

    def until_reports(self) -> None:
        """Wait until somebody who listens has also reported, and ask them from then on."""
        with self._news:
            self._news.wait_for(lambda: self._reports)

    def close(self) -> None:
        """Hang up on everybody."""
        for connection in [self._server, *self._connections]:
            connection.close()

    def _send(self, message: dict[str, Any]) -> None:
        with self._news:
            self._news.wait_for(lambda: self._listener)
            assert self._listener is not None
            self._listener.sendall(json.dumps(message).encode() + b"\n")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        # A script that was killed with something unread resets the connection.
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # it ended within a line
                message = json.loads(line)
                if message["op"] == "listen":
                    self._join(connection, reports=message["reports"])
                if message["op"] == "answer":
                    self._answers.put(message)

    def _join(self, connection: socket.socket, *, reports: bool) -> None:
        with self._news:
            if self._listener is None or reports:
                self._listener = connection
            self._reports = self._reports or reports
            self._news.notify_all()
