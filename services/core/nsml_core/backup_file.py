"""The file of a backup: a tar whose last members say what each of the others must hash to.

    header.json       what this is, and the entry of the log that it is good for
    …                 the content: see `backup.py`
    manifest.json     name, size and BLAKE3 of each member before it
    manifest.blake3   the hash of that list; a file that does not end with it was cut off

The list comes last because a file of any size is written in one pass, with little memory.
"""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from blake3 import blake3

from nsml_core.blobs.disk import room_for
from nsml_core.errors import AlreadyExists, Damaged, Invalid, NotFound, Refused

FORMAT = 1
_PIECE = 1 << 20
_LIST_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Header:
    """What a backup says of itself."""

    format: int
    nsml: str
    """The version that wrote it."""

    time: str
    position: int
    """The last entry of the log that is in it, and all before that one."""

    last_entry: str
    """When that one happened."""

    blobs: str
    """Empty where the blobs are in the file; else the URL of where they stayed."""


@dataclass(frozen=True)
class Member:
    """One thing in the file, and its content, to be read once."""

    name: str
    size: int
    content: IO[bytes]


class Writer:
    """Adds members; made by `create`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._list: list[dict[str, object]] = []
        self.bytes = 0

    def add(self, name: str, content: bytes) -> None:
        """Add what is in memory."""
        self.add_file(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, content: IO[bytes], size: int) -> None:
        """Add what is read from a file."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        hashing = _Hashing(content)
        try:
            self._tar.addfile(info, hashing)
        except OSError as error:
            if error.errno is None:  # tarfile's own, for a file that has become shorter
                raise Damaged(f"{name} changed while it was copied; try again.") from None
            raise
        self._list.append({"name": name, "size": size, "blake3": hashing.hash.hexdigest()})
        self.bytes += size

    def close(self) -> None:
        """End the file with the list of what is in it."""
        listed = json.dumps(self._list, indent=0).encode()
        self.add("manifest.json", listed)
        self.add("manifest.blake3", blake3(listed).hexdigest().encode())


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.hash = blake3()

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(size)
        self.hash.update(piece)
        return piece


@contextmanager
def create(file: Path) -> Iterator[Writer]:
    """Write a backup beside where it is to be, and move it there when it is whole and on disk."""
    part = file.with_name(f"{file.name}.part")
    if file.exists():
        raise AlreadyExists(f"{file} is there already: name another file.")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with room_for(f"the backup {file}"), os.fdopen(descriptor, "wb") as opened:
            with tarfile.open(fileobj=opened, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar)
                yield writer
                writer.close()
            opened.flush()
            os.fsync(opened.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def write_header(writer: Writer, header: Header) -> None:
    """Add what must be the first member."""
    writer.add("header.json", json.dumps(asdict(header), indent=2).encode())


def read_header(file: Path) -> Header:
    """Return what a backup says of itself; refuse what this version cannot read."""
    with _opened(file) as tar:
        first = tar.next()
        if first is None or first.name != "header.json" or first.size > _PIECE:
            raise Invalid(f"{file} is no backup of NSML.")
        try:
            known = json.loads(_read_all(file, tar, first))
            if known["format"] > FORMAT:
                raise Refused(
                    f"{file} was written by NSML {known['nsml']} in format {known['format']}, and "
                    f"this version reads formats up to {FORMAT}: upgrade NSML."
                )
            return Header(**{name: known[name] for name in Header.__dataclass_fields__})
        except (ValueError, KeyError, TypeError):
            raise Damaged(f"header.json in {file} is damaged; use another backup.") from None


def members(file: Path) -> Iterator[Member]:
    """Yield what is in the file, in order; a member must be read before the next is asked for."""
    with _opened(file) as tar:
        before = "its beginning"
        while info := _next(file, tar, before):
            content = tar.extractfile(info) if info.isreg() else None
            if content is None:
                raise Damaged(f"{info.name} in {file} is no file; use another backup.")
            before = info.name
            yield Member(info.name, info.size, content)


def verify(file: Path) -> Iterator[int]:
    """Hold every member against the list; yield how many bytes were looked at so far."""
    seen: list[dict[str, object]] = []
    listed: bytes | None = None
    done = 0
    for member in members(file):
        if member.name == "manifest.json" and member.size <= _LIST_BYTES_MAX:
            listed = b"".join(_pieces(file, member))
            continue
        if member.name == "manifest.blake3":
            _compare(file, listed or b"", next(_pieces(file, member), b""), seen)
            return
        digest = blake3()
        for piece in _pieces(file, member):
            digest.update(piece)
            done += len(piece)
            yield done
        seen.append({"name": member.name, "size": member.size, "blake3": digest.hexdigest()})
    last = seen[-1]["name"] if seen else "its beginning"
    raise Damaged(f"{file} was cut off: it ends after {last}; use another backup.")


def _compare(file: Path, listed: bytes, digest: bytes, seen: list[dict[str, object]]) -> None:
    if blake3(listed).hexdigest().encode() != digest:
        raise Damaged(f"manifest.json in {file} is damaged; use another backup.")
    wanted = json.loads(listed)
    for one, other in zip(wanted, seen, strict=False):
        if one != other:
            raise Damaged(f"{one['name']} in {file} is damaged; use another backup.")
    if len(wanted) != len(seen):
        raise Damaged(f"{file} does not hold what its manifest.json lists; use another backup.")


def _pieces(file: Path, member: Member) -> Iterator[bytes]:
    left = member.size
    while left:
        try:
            piece = member.content.read(min(_PIECE, left))
        except tarfile.ReadError:
            piece = b""
        if not piece:
            raise Damaged(f"{file} was cut off within {member.name}; use another backup.")
        left -= len(piece)
        yield piece


def _next(file: Path, tar: tarfile.TarFile, before: str) -> tarfile.TarInfo | None:
    try:
        return tar.next()
    except tarfile.ReadError:
        raise Damaged(f"{file} is damaged after {before}; use another backup.") from None


def _read_all(file: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(info)
    return b"".join(_pieces(file, Member(info.name, info.size, content))) if content else b""


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(file, "r:")  # noqa: SIM115 - an error inside the block is not ours
    except (tarfile.ReadError, IsADirectoryError):
        raise Invalid(f"{file} is no backup of NSML.") from None
    except FileNotFoundError:
        raise NotFound(f"There is no file {file}.") from None
    with tar:
        yield tar
