"""Cut content into blobs where the content says so, and name each by its hash.

These figures are part of the storage format: other figures cut the same file into other blobs,
and nothing of it would be found to be stored already.
"""

from collections.abc import Iterator

from blake3 import blake3
from pyfastcdc import FastCDC

Buffer = bytes | memoryview

ID_BYTES = 32
BLOB_BYTES_MAX = 4 << 20

_CUT_BYTES_MIN = 256 << 10
_CUT_BYTES_MEAN = 1 << 20  # beyond the minimum: the blobs of a large file are 1.25 MiB in the mean


def blob_id(content: Buffer) -> bytes:
    """Return the name of this content."""
    return blake3(content).digest()


def split_ids(ids: bytes) -> list[bytes]:
    """Return the single ids of a concatenation."""
    return [ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)]


def cut(content: memoryview, *, is_end: bool) -> Iterator[int]:
    """Yield the sizes of the blobs at the head of this content.

    Unless it is the end of a file, the last blob is left for the next call: what is still to
    come may move its cuts.
    """
    left = len(content)
    if not is_end and left < BLOB_BYTES_MAX:
        return
    if is_end and left <= _CUT_BYTES_MIN:
        yield from [left] if left else []
        return
    # One chunker a call, because it must not be used by two threads at once.
    chunker = FastCDC(_CUT_BYTES_MEAN, min_size=_CUT_BYTES_MIN, max_size=BLOB_BYTES_MAX)
    for piece in chunker.cut_buf(content):
        if not is_end and left < BLOB_BYTES_MAX:
            return
        yield piece.length
        left -= piece.length
