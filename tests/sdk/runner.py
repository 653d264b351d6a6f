"""A process that speaks the runner's side of the socket: `runner.py SOCKET CHECKPOINTS RECORD`.

It writes every message it receives to RECORD, one a line, takes saved folders over by rename, and
at SIGTERM answers what has arrived before it ends.
"""

import json
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, TextIO


class Runner:
    """One thread for each connection; the record is shared."""

    def __init__(self, checkpoints: Path, record: TextIO) -> None:
        self._checkpoints = checkpoints
        self._record = record
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Answer one connection until its other end closes it."""
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                answer = self._receive(json.loads(line))
                if answer:
                    stream.write(json.dumps(answer).encode() + b"\n")
                    stream.flush()

    def _receive(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["op"] == "listen":  # for questions, which this runner does not have
            return None
        with self._lock:
            self._record.write(json.dumps(message) + "\n")
            self._record.flush()
            match message["op"]:
                case "save":
                    return {"id": message["id"], **self._save(message)}
                case "load":
                    return {"id": message["id"], **self._load(message)}
                case _:
                    return None

    def _save(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["name"] == "refused":
            return {"ok": False, "error": "The disk is full."}
        Path(message["path"]).rename(self._checkpoints / message["name"])
        return {"ok": True}

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        latest = max(self._checkpoints.iterdir(), key=lambda each: each.stat().st_ctime_ns)
        path = self._checkpoints / message["name"] if message["name"] else latest
        if path.exists():
            return {"ok": True, "path": str(path)}
        return {"ok": False, "error": f"there is no checkpoint {message['name']}"}


def main(address: str, checkpoints: str, record: str) -> None:
    """Serve until SIGTERM, then until every connection has been closed by its other end."""
    threads: list[threading.Thread] = []
    with (
        Path(record).open("w", encoding="utf-8") as file,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        runner = Runner(Path(checkpoints), file)
        listener.bind(address)
        listener.listen()
        signal.signal(signal.SIGTERM, lambda *_: listener.shutdown(socket.SHUT_RD))
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=runner.serve, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
