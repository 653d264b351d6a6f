"""Event files, as TensorBoard reads them: records of protobuf, each framed by its length and CRCs.

Written by hand, since the format is small and its own writer would bring a package that needs ten
others. The messages are `Event` and `Summary` of TensorFlow, of which a scalar takes four fields.
"""

import struct
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Self

from nsml_protos.session_pb2 import Series

_VERSION = b"brain.Event:2"
_POLYNOMIAL = 0x82F63B78  # CRC32C, Castagnoli's, bits reversed
_MASK_DELTA = 0xA282EAD8
_WORD = 0xFFFFFFFF
_STEP_MAX = (1 << 63) - 1


class EventFile:
    """Appends to one file, which TensorBoard may read meanwhile."""

    def __init__(self, path: Path, began: float = 0.0) -> None:
        """Begin a file; its name must hold `tfevents`."""
        self._file: BufferedWriter = path.open("wb")
        self._write(_double(1, began) + _bytes(3, _VERSION))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def add(self, series: Series) -> None:
        """Append points; steps become whole numbers, and values have 7 digits: it knows no more."""
        tag = _bytes(1, series.name.encode())
        columns = zip(series.steps, series.times_us, series.values, strict=True)
        for step, time_us, value in columns:
            told = _bytes(1, tag + _float(2, value))
            self._write(_double(1, time_us / 1e6) + _integer(2, _whole(step)) + _bytes(5, told))

    def flush(self) -> None:
        """Let readers see what was added."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left."""
        self._file.close()

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _masked_crc(length) + event + _masked_crc(event))


def _whole(step: float) -> int:
    return int(step) if -_STEP_MAX < step < _STEP_MAX else 0


def _table() -> Iterator[int]:
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        yield value


_CRCS = tuple(_table())


def crc32c(data: bytes) -> int:
    """Return the checksum that each record carries."""
    crc = _WORD
    for byte in data:
        crc = _CRCS[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ _WORD


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & _WORD)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    try:
        packed = struct.pack("<f", value)
    except OverflowError:  # a double that is no float
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _varint(field << 3 | 5) + packed
