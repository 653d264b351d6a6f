"""The whole of what user code printed, in files, for where the log holds only a part of it."""

import os
from pathlib import Path

from nsml_protos.session_pb2 import STDERR, STDOUT, Source

FOLDER = "nsml-logs"
"""Below the output folder: where `nsml download` finds them."""

_NAMES = {STDOUT: "stdout.log", STDERR: "stderr.log"}


class RawLog:
    """Writes until its limit, or until the disk is full; training never waits for it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._room = limit
        self._files: dict[Source.ValueType, int] = {}
        self.left_out = 0

    def add(self, source: "Source.ValueType", data: bytes) -> None:
        """Keep output, as long as there is room."""
        part = data[: self._room]
        try:
            written = os.write(self._file(source), part) if part else 0
        except OSError:
            written = 0
        self.left_out += len(data) - written
        self._room = self._room - written if written == len(data) else 0

    def _file(self, source: "Source.ValueType") -> int:
        if source not in self._files:
            self._folder.mkdir(exist_ok=True)
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
            self._files[source] = os.open(self._folder / _NAMES[source], flags, 0o600)
        return self._files[source]

    def move_to(self, output: Path) -> bool:
        """Put the files into the output folder; False if that has something of their name."""
        target = output / FOLDER
        if os.path.lexists(target) or not self._files:
            return False
        self._folder.rename(target)
        return True

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
