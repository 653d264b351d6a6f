"""Read-only copies: made once, shared, and never trusted when somebody wrote there."""

import asyncio
import os
from pathlib import Path

import pytest

from nsml_core.blobs import copies
from nsml_core.errors import Invalid
from tests.blobs import folders
from tests.blobs.service import Service


async def test_is_read_only(service: Service, tmp_path: Path) -> None:
    source = folders.sample(tmp_path / "source")

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        copy = await client.materialise(tree.id, tmp_path / "cache")

    modes = {oct(path.lstat().st_mode & 0o777) for path in copy.rglob("*") if not path.is_symlink()}
    assert modes == {"0o444", "0o555"}
    assert folders.listing(copy) == folders.listing(source)
    copies.remove(copy)


async def test_is_made_once_by_many(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1", "b/c": b"2"})

    async with service.client(shared=shared) as one, service.client(shared=shared) as other:
        tree = await one.push(source)
        made = await asyncio.gather(
            *(client.materialise(tree.id, tmp_path / "cache") for client in [one, other] * 5)
        )
        inode = made[0].stat().st_ino
        again = await other.materialise(tree.id, tmp_path / "cache")

    assert {*made, again} == {tmp_path / "cache" / tree.id}
    assert again.stat().st_ino == inode
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {tree.id, ".locks"}
    copies.remove(again)


@pytest.mark.parametrize("how", ["content", "addition", "removal", "replacement", "power cut"])
async def test_is_made_anew_when_changed(service: Service, tmp_path: Path, how: str) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1", "b/c": b"2"})

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        copy = await client.materialise(tree.id, tmp_path / "cache")
        _change(copy, how)
        again = await client.materialise(tree.id, tmp_path / "cache")

    assert folders.listing(again) == folders.listing(source)
    copies.remove(again)


def _change(copy: Path, how: str) -> None:
    for path in (copy / "b", copy / "b/c"):
        path.chmod(0o755)
    match how:
        case "content":
            (copy / "b/c").write_bytes(b"9")
        case "addition":
            (copy / "b/d").write_bytes(b"")
        case "removal":
            (copy / "b/c").unlink()
        case "power cut":  # times are in the journal, content was not written yet
            times = (copy / "b/c").stat().st_mtime_ns, (copy / "b/c").stat().st_mtime_ns
            os.truncate(copy / "b/c", 0)
            os.utime(copy / "b/c", ns=times)
        case "replacement":
            (copy / "b/new").write_bytes(b"9")
            (copy / "b/new").rename(copy / "b/c")


async def test_links_from_a_copy(service: Service, tmp_path: Path) -> None:
    source = folders.sample(tmp_path / "source")

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        copy = await client.materialise(tree.id, tmp_path / "cache")
        await client.pull(tree.id, tmp_path / "linked", read_only=True, link_from=copy)
        await client.pull(tree.id, tmp_path / "own", link_from=copy)

    assert folders.listing(tmp_path / "linked") == folders.listing(source)
    assert folders.listing(tmp_path / "own") == folders.listing(source)
    assert (tmp_path / "linked/large.bin").samefile(copy / "large.bin")
    assert not (tmp_path / "own/large.bin").samefile(copy / "large.bin")
    (tmp_path / "own/large.bin").write_bytes(b"mine")
    assert copies.is_settled(copy)
    copies.remove(copy)
    copies.remove(tmp_path / "linked")


async def test_does_not_link_what_was_changed(service: Service, tmp_path: Path) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1", "b": b"2"})

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        copy = await client.materialise(tree.id, tmp_path / "cache")
        (copy / "a").chmod(0o644)
        (copy / "a").write_bytes(b"9")
        await client.pull(tree.id, tmp_path / "back", read_only=True, link_from=copy)

    assert folders.listing(tmp_path / "back") == folders.listing(source)
    copies.remove(copy)
    copies.remove(tmp_path / "back")


async def test_refuses_what_is_no_tree_id(service: Service, tmp_path: Path) -> None:
    async with service.client(shared=True) as client:
        with pytest.raises(Invalid, match="no tree id"):
            await client.materialise("../../etc", tmp_path / "cache")
