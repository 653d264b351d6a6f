"""The file that blobs are stored in: their bytes, then a footer that says what they are.

    blob blob … PackFooter, its length (4 bytes, little-endian), its BLAKE3 (32), magic (8)

A pack is named by its footer's hash, so that the same blobs packed twice have one name, and
describes itself, so that the index of a store can be made again from its packs alone.
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from nsml_core.blobs.chunk import BLOB_BYTES_MAX, ID_BYTES, Buffer, blob_id, split_ids
from nsml_core.errors import Damaged
from nsml_protos.blobs_pb2 import PackFooter

PACK_BYTES = 64 << 20
"""A pack is closed when it has reached this size."""

PACK_BYTES_MAX = 192 << 20
"""What a store accepts: a full pack, and what one more write and the footer may add to it."""

SUFFIX = ".pack"

Read = Callable[[int, int], Buffer]
"""Takes an offset and a size, and returns the bytes that are there; fewer at the end."""

_MAGIC = b"NSMLPCK1"
_WINDOW_BYTES = 8 << 20
_TRAILER_BYTES = 4 + ID_BYTES + len(_MAGIC)


@dataclass(frozen=True)
class Pack:
    """What a pack says of itself."""

    name: str
    ids: list[bytes]
    sizes: list[int]

    def extents(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield each blob's id, offset and size."""
        offset = 0
        for identity, size in zip(self.ids, self.sizes, strict=True):
            yield identity, offset, size
            offset += size


def seal(ids: Sequence[bytes], sizes: Sequence[int]) -> tuple[str, bytes]:
    """Return the name of a pack of these blobs, and the bytes that end it."""
    footer = PackFooter(ids=b"".join(ids), sizes=sizes).SerializeToString(deterministic=True)
    digest = blob_id(footer)
    return digest.hex(), footer + len(footer).to_bytes(4, "little") + digest + _MAGIC


def read_footer(read: Read, size: int) -> Pack:
    """Return what a pack of this size says of itself; the blobs themselves are not looked at."""
    trailer = bytes(read(max(0, size - _TRAILER_BYTES), _TRAILER_BYTES))
    if len(trailer) != _TRAILER_BYTES or not trailer.endswith(_MAGIC):
        raise Damaged("This is no pack, or one whose end is missing.")
    length = int.from_bytes(trailer[:4], "little")
    body = size - _TRAILER_BYTES - length
    digest = trailer[4 : 4 + ID_BYTES]
    footer = bytes(read(body, length)) if body >= 0 else b""
    if blob_id(footer) != digest:
        raise Damaged("The footer of this pack does not match its hash.")
    return _parse(footer, digest.hex(), body)


def _parse(footer: bytes, name: str, body: int) -> Pack:
    try:
        message = PackFooter.FromString(footer)
    except DecodeError:
        raise Damaged("The footer of this pack cannot be read.") from None
    pack = Pack(name, split_ids(message.ids), list(message.sizes))
    is_whole = len(message.ids) == ID_BYTES * len(pack.sizes) and sum(pack.sizes) == body
    if not is_whole or any(not 0 < size <= BLOB_BYTES_MAX for size in pack.sizes):
        raise Damaged("The footer of this pack does not agree with its content.")
    return pack


def find_damage(read: Read, pack: Pack) -> Iterator[bytes]:
    """Yield the ids of the blobs whose bytes are not what their name says."""
    window, start = memoryview(b""), 0
    for identity, offset, size in pack.extents():
        if offset + size > start + len(window):
            window, start = memoryview(read(offset, _WINDOW_BYTES)), offset
        content = window[offset - start : offset - start + size]
        if len(content) != size or blob_id(content) != identity:
            yield identity


def examine(descriptor: int, size: int) -> tuple[bytes | None, Pack]:
    """Return the first blob of a pack that is damaged, if any, and what the pack says of itself."""
    if not size:
        raise Damaged("This pack is empty.")
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:

        def read(offset: int, length: int) -> memoryview:
            return view[offset : offset + length]

        pack = read_footer(read, size)
        return next(find_damage(read, pack), None), pack
