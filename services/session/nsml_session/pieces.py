"""Pieces of what a session told of its series: chunks, and what waits to be one."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from zstandard import ZstdCompressor, ZstdDecompressor

from nsml_protos.session_pb2 import Frame, Points
from nsml_session.chunks import FULL, Bucket, decode, encode, summary
from nsml_session.columns import Columns, gather
from nsml_session.slots import place

_SMALL = FULL // 4
_GROWTH = 4

Told = dict[str, dict[int, list["Piece"]]]
"""Of each series what each attempt told, in order."""


class Piece:
    """Points that stand together: a chunk, which is read when it is needed, or loose ones."""

    def __init__(
        self, *, bucket: Bucket | None = None, data: bytes = b"", loose: Columns | None = None
    ) -> None:
        self._bucket = bucket
        self._data = data
        self._loose = loose

    @property
    def bucket(self) -> Bucket:
        """What they are in short."""
        if self._bucket is None:
            self._bucket = summary(self.points)
        return self._bucket

    @property
    def is_read(self) -> bool:
        """The points are at hand."""
        return self._loose is not None or bool(self._data)

    @property
    def points(self) -> Columns:
        """The points themselves."""
        return decode(self._data, self.bucket.count) if self._loose is None else self._loose


def is_parted(piece: Piece, taken_over: float) -> bool:
    """Tell whether a later attempt that begins at a step takes over a part of some points."""
    first, last = piece.bucket.first_step, piece.bucket.step
    return first < taken_over and not last < taken_over and taken_over < math.inf


def chunk_of(row: Any) -> Piece:
    """Return the chunk that a row holds."""
    return Piece(bucket=Bucket(*list(row.values())[2:10]), data=row["data"])


def kept_rows(frames: Sequence[Frame]) -> list[tuple[object, ...]]:
    """Return the points of frames as rows that wait to be folded."""
    compressor = ZstdCompressor(level=1)
    return [
        (frame.ref.name, *place(frame), compressor.compress(_columns(frame))) for frame in frames
    ]


def _columns(frame: Frame) -> bytes:
    points = frame.points
    return Points(
        series=points.series,
        series_index=points.series_index,
        steps=points.steps,
        times_us=points.times_us,
        values=points.values,
    ).SerializeToString()


def in_order(rows: Iterable[Any]) -> list[Any]:
    """Return rows as their frames were told."""
    return sorted(rows, key=lambda row: (row["attempt"], row["number"]))


def loose_of(old: Sequence[Any], rows: Sequence[Any]) -> Told:
    """Return the points of rows that wait, those of an older version first."""
    told: defaultdict[int, list[Points]] = defaultdict(list)
    for attempt, points in _messages(ZstdDecompressor(), old, rows):
        told[attempt].append(points)
    found: Told = {}
    for attempt, frames in told.items():
        for series, columns in gather(frames).items():
            found.setdefault(series, {})[attempt] = [Piece(loose=columns)]
    return found


def _messages(
    decompressor: ZstdDecompressor, old: Sequence[Any], rows: Sequence[Any]
) -> Iterator[tuple[int, Points]]:
    for row in old:
        frame = Frame.FromString(decompressor.decompress(row["data"]))
        yield row["attempt"], frame.points
    for row in rows:
        yield row["attempt"], Points.FromString(decompressor.decompress(row["data"]))


def stripped_rows(old: Sequence[Any]) -> list[tuple[object, ...]]:
    """Return frames of an older version without their points, which stand apart from now on."""
    compressor, decompressor = ZstdCompressor(level=1), ZstdDecompressor()
    stripped: list[tuple[object, ...]] = []
    for row in old:
        frame = Frame.FromString(decompressor.decompress(row["data"]))
        without = compressor.compress(without_points(frame).SerializeToString())
        key = (row["name"], row["attempt"], row["number"])
        stripped.append((*key, bool(frame.points.summary), without))
    return stripped


def without_points(frame: Frame) -> Frame:
    """Return a frame without what has tables of its own."""
    kept = Frame()
    kept.CopyFrom(frame)
    for column in ("series", "series_index", "steps", "times_us", "values"):
        kept.points.ClearField(column)
    if not kept.points.summary:
        kept.ClearField("points")
    kept.ClearField("records")
    return kept


def chunk_rows(
    name: str, ids: Mapping[str, int], newest: Mapping[tuple[int, int], Any], loose: Told
) -> list[tuple[object, ...]]:
    """Return rows of chunks; the newest of a series is written anew if it is small."""
    rows: list[tuple[object, ...]] = []
    for series, attempts in loose.items():
        for attempt, pieces in attempts.items():
            id_ = ids[series]
            points = [piece.points for piece in pieces]
            part, row = 1, newest.get((id_, attempt))
            if row is not None and _is_small(row["count"], sum(map(len, points))):
                part = row["part"]
                points.insert(0, decode(row["data"], row["count"]))
            elif row is not None:
                part = row["part"] + 1
            joined = Columns.join(points)
            for start in range(0, len(joined), FULL):
                cut = joined.at(slice(start, start + FULL))
                key = (name, id_, attempt, part + start // FULL)
                rows.append((*key, *astuple(summary(cut)), encode(cut)))
    return rows


def _is_small(count: int, more: int) -> bool:
    """Tell whether a chunk is to grow by more points: each is written a few times at most."""
    return count < _SMALL and count <= _GROWTH * more
