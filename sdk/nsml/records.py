"""What is more than a number, on its way to the platform: histograms, images, texts, tables."""

from __future__ import annotations

from nsml.constants import RUNNER_SOCKET
from nsml.metrics import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Sequence

RECORD_BYTES_MAX = 2 << 20
_MEDIA = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"<svg": "image/svg+xml",
}


def histogram(name: str, values: Any, *, step: Any = None, bins: int = 64) -> None:
    """Report how numbers are spread, such as weights: an array, a tensor, or any sequence."""
    _put("histogram", name, step, "application/json", _json(_spread(_flat(values), bins)))


def image(name: str, image: Any, *, step: Any = None) -> None:
    """Report an image: an array, a tensor, a PIL image, a file's path, or its bytes.

    An array is H×W, or H×W×C, or C×H×W with 1, 3 or 4 channels, of uint8 or of floats from 0 to 1.
    """
    data = _encoded(image)
    media = next((media for mark, media in _MEDIA.items() if data.startswith(mark)), "")
    if not media:
        raise ValueError("image() takes PNG, JPEG, GIF, WebP or SVG, and this is none of them")
    _put("image", name, step, media, data)


def text(name: str, text: str, *, step: Any = None) -> None:
    """Report a text, such as what a model has generated."""
    _put("text", name, step, "text/plain", str(text).encode("utf-8", "replace"))


def table(name: str, rows: Any, columns: Sequence[str] | None = None, *, step: Any = None) -> None:
    """Report a table: a list of rows, a list of dicts, or a DataFrame of pandas."""
    if hasattr(rows, "to_dict"):
        frame = rows.to_dict("split")
        columns, rows = columns or frame["columns"], frame["data"]
    rows = list(rows)
    if rows and isinstance(rows[0], dict):
        columns = list(columns or dict.fromkeys(key for row in rows for key in row))
        rows = [[row.get(column) for column in columns] for row in rows]
    shown = {
        "columns": [str(column) for column in columns or ()],
        "rows": [[_cell(value) for value in row] for row in rows],
    }
    _put("table", name, step, "application/json", _json(shown))


def _put(kind: str, name: str, step: Any, media: str, data: bytes) -> None:
    """Queue a record, unless it is too large: then it is left out, and that is said."""
    step = None if step is None else float(number("step", step))
    if not RUNNER_SOCKET:
        return
    from binascii import b2a_base64
    from time import time

    from nsml.batch import clean_name
    from nsml.notice import warn_once
    from nsml.outbox import OUTBOX

    if len(data) > RECORD_BYTES_MAX:
        warn_once(
            f"record {kind}",
            f"the {kind} {name[:50]!r} has {len(data)} bytes and was left out: at most"
            f" {RECORD_BYTES_MAX} are kept of one; this is said once.",
        )
        return
    message = {"op": "record", "kind": kind, "name": clean_name(name), "step": step, "media": media}
    encoded = b2a_base64(data, newline=False).decode()
    OUTBOX.put_record({**message, "time": time(), "data": encoded})


def _json(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    try:
        return number("a cell", value)
    except TypeError:
        return str(value)


def _array(values: Any) -> Any:
    """Return a tensor as an array of numpy; anything else as it is."""
    for step in ("detach", "cpu", "numpy"):
        if callable(getattr(values, step, None)):
            values = getattr(values, step)()
    return values


def _flat(values: Any) -> list[float]:
    values = _array(values)
    if hasattr(values, "ravel"):
        values = values.ravel().tolist()
    return [float(value) for value in values]


def _spread(values: Iterable[float], bins: int) -> dict[str, Any]:
    from math import isfinite

    every = list(values)
    known = sorted(value for value in every if isfinite(value))
    low, high = (known[0], known[-1]) if known else (0.0, 0.0)
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in known:
        counts[min(int((value - low) / width), bins - 1)] += 1
    return {
        "edges": [low + width * place for place in range(bins + 1)],
        "counts": counts,
        "count": len(known),
        "not_finite": len(every) - len(known),
        "sum": sum(known),
    }


def _encoded(image: Any) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, str) or hasattr(image, "__fspath__"):
        with open(image, "rb") as file:
            return file.read()
    if hasattr(image, "save") and hasattr(image, "mode"):
        import io

        written = io.BytesIO()
        image.save(written, "PNG")
        return written.getvalue()
    return _png(_array(image))


def _png(pixels: Any) -> bytes:
    """Return an array as a PNG file."""
    if not hasattr(pixels, "tobytes") or pixels.ndim not in (2, 3):
        raise TypeError(
            "image() takes an array of H×W or H×W×C, a PIL image, a path or bytes, not"
            f" {type(pixels).__module__}.{type(pixels).__name__}"
        )
    if pixels.ndim == 3 and pixels.shape[2] > 4 >= pixels.shape[0]:  # noqa: PLR2004 - channels
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind in "bf":
        pixels = pixels * 255.0 + 0.5
    channels = pixels.shape[2] if pixels.ndim == 3 else 1  # noqa: PLR2004 - (the same)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}.get(channels)
    if colour is None:
        raise ValueError(f"image() takes 1 to 4 channels, not {channels}")
    return _write_png(pixels.clip(0, 255).astype("uint8"), colour, channels)


def _write_png(pixels: Any, colour: int, channels: int) -> bytes:
    import struct
    from zlib import compress, crc32

    height, width = pixels.shape[:2]
    raw, row = pixels.tobytes(), width * channels
    lines = b"".join(b"\0" + raw[at * row : (at + 1) * row] for at in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    pieces = (chunk(b"IHDR", head), chunk(b"IDAT", compress(lines, 6)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)
