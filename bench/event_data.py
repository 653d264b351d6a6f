"""Event files for TensorBoard, many points at once: what its own writers make one by one."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from nsml_client.event_files import EventFile

_MASK_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # CRC32C, bits reversed
_STEP_BYTES = 3

Columns = Any
"""An array of bytes: a row for each event."""


def write(path: Path, series: int, points: int) -> None:
    """Write so many noisy series of so many points each."""
    EventFile(path).close()
    dice = np.random.default_rng(0)
    with path.open("ab") as file:
        for number in range(series):
            values = dice.random(points).astype("<f4")
            file.write(_events(f"series{number}", values).tobytes())


def _events(tag: str, values: Any) -> Columns:
    count = len(values)
    steps = np.arange(count, dtype=np.uint32)
    times = (1.7e9 + steps / 1000).astype("<f8")
    name = tag.encode()
    value_head = b"\x0a" + bytes([len(name) + 7]) + b"\x0a" + bytes([len(name)]) + name + b"\x15"
    summary_head = b"\x2a" + bytes([len(value_head) + 4]) + value_head
    parts = [
        _same(b"\x09", count),
        times.view(np.uint8).reshape(count, 8),
        _same(b"\x10", count),
        _varints(steps),
        _same(summary_head, count),
        values.view(np.uint8).reshape(count, 4),
    ]
    data = np.concatenate(parts, axis=1)
    length = struct.pack("<Q", data.shape[1])
    head = _same(length, count)
    return np.concatenate([head, _masked(head), data, _masked(data)], axis=1)


def _same(data: bytes, count: int) -> Columns:
    return np.tile(np.frombuffer(data, np.uint8), (count, 1))


def _varints(steps: Any) -> Columns:
    """Return steps in as many bytes each: the last says that it is, and small ones have zeros."""
    found = [((steps >> (7 * at)) & 0x7F) | 0x80 for at in range(_STEP_BYTES)]
    found[-1] &= 0x7F
    return np.stack(found, axis=1).astype(np.uint8)


def _table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


def _masked(data: Columns) -> Columns:
    """Return the checksums that stand after parts of events."""
    table, crc = _table(), np.full(len(data), 0xFFFFFFFF, np.uint32)
    for column in data.T:
        crc = table[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    crc ^= np.uint32(0xFFFFFFFF)
    turned = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK_DELTA)
    return turned.astype("<u4").view(np.uint8).reshape(len(data), 4)
