"""Starts the log's server again when the disk under it was full and has room again.

A stream that could not be written to once is not written to any more until its server is started
anew. The supervisor tells its listeners the time; this one looks then.
"""

import http.client
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from nsml_core.errors import Unavailable
from nsml_local import home, supervision
from nsml_local.home import Home

_ROOM_BYTES = 8 << 20


def main() -> None:
    """Look whenever the supervisor says that time has passed, for ever."""
    folder = Path(sys.argv[1])
    while _is_told():
        at = home.find(folder)
        with suppress(OSError, http.client.HTTPException, Unavailable, psutil.NoSuchProcess):
            if at is not None and _is_stuck(at) and _has_room(at):
                _start_again(at)
        _say("RESULT 2\nOK")


def _is_told() -> bool:
    """Wait for the supervisor's word; nothing more comes when it has gone."""
    _say("READY\n")
    line = sys.stdin.readline()
    words = dict(word.split(":", 1) for word in line.split())
    sys.stdin.read(int(words.get("len", "0")))
    return bool(line)


def _say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def _is_stuck(at: Home) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", at.kept.monitor_port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status != http.HTTPStatus.OK and b"no space left" in answer.read()
    finally:
        connection.close()


def _has_room(at: Home) -> bool:
    return shutil.disk_usage(at.nats_data).free >= _ROOM_BYTES


def _start_again(at: Home) -> None:
    living = supervision.connect(at)
    for child in living.children() if living else ():
        if child.name == "nats" and child.state == "RUNNING":
            psutil.Process(child.pid).terminate()  # its supervisor starts another


if __name__ == "__main__":
    main()
