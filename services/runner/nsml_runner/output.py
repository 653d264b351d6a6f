"""Sorts what a container says by its stream, into pipes."""

import contextlib
import os
import socket

from nsml_runner.streams import frames


def pump(stream: socket.socket, stdout: int, stderr: int) -> None:
    """Sort output by its stream; where nobody reads a stream any more, let it go."""
    targets = {1: stdout, 2: stderr}
    try:
        with contextlib.suppress(ConnectionError):
            for source, data in frames(stream):
                if source in targets and not put(targets[source], data):
                    os.close(targets.pop(source))
    finally:
        stream.close()
        for target in targets.values():
            os.close(target)


def put(target: int, data: bytes) -> bool:
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(target, rest) :]
        return True
    return False
