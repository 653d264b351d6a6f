"""What is pushed comes back, once, whatever way it travels."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from nsml_core.blobs import Entry, Tree
from nsml_core.errors import NotFound, Refused
from tests.blobs import folders
from tests.blobs.service import Service


async def test_comes_back_as_it_was(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.sample(tmp_path / "source")

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")

    assert folders.listing(tmp_path / "back") == folders.listing(source)


async def test_counts_files_and_bytes(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.write(tmp_path, {"a": b"12", "b/c": b"345"})

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        again = await client.push(source)

    assert (tree.files, tree.bytes) == (2, 5)
    assert tree.stored_bytes == sum(pack.stat().st_size for pack in service.packs())
    assert again == Tree(tree.id, 2, 5, 0)


async def test_same_content_same_id(service: Service, tmp_path: Path) -> None:
    one = folders.sample(tmp_path / "one")
    other = folders.sample(tmp_path / "other")
    for path in other.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)

    async with service.client(shared=True) as near, service.client(shared=False) as far:
        first, second = await near.push(one), await far.push(other)

    assert first.id == second.id
    assert second.stored_bytes == 0


async def test_id_tells_executables_apart(service: Service, tmp_path: Path) -> None:
    source = folders.write(tmp_path, {"run": b"x"})

    async with service.client(shared=True) as client:
        plain = await client.push(source)
        (source / "run").chmod(0o755)
        executable = await client.push(source)

    assert plain.id != executable.id


async def test_ids_are_part_of_the_format(service: Service, tmp_path: Path) -> None:
    """A change of this id makes every stored tree and blob another one: it needs a new FORMAT."""
    source = folders.sample(tmp_path)

    async with service.client(shared=True) as client:
        tree = await client.push(source)

    assert tree.id == "aaa8f1f082e1d2c28f693e87154df06c63464c63a20a3f51a237f8275e2cc3e0"


async def test_stores_equal_content_once(service: Service, shared: bool, tmp_path: Path) -> None:
    content = folders.noise(5 << 20)
    source = folders.write(tmp_path, {f"{number}.bin": content for number in range(4)})

    async with service.client(shared=shared) as client:
        tree = await client.push(source)

    assert len(content) < tree.stored_bytes < len(content) + 10_000


async def test_stores_what_changed_in_a_large_file(service: Service, tmp_path: Path) -> None:
    content = folders.noise(40 << 20)
    source = folders.write(tmp_path, {"large.bin": content})

    async with service.client(shared=True) as client:
        await client.push(source)
        changed = content[: 10 << 20] + b"inserted" + content[10 << 20 :]
        (source / "large.bin").write_bytes(changed)
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")

    assert tree.stored_bytes < 10 << 20
    assert (tmp_path / "back" / "large.bin").read_bytes() == changed


async def test_empty_folder_has_no_files(service: Service, tmp_path: Path) -> None:
    async with service.client(shared=True) as client:
        tree = await client.push(tmp_path)
        await client.pull(tree.id, tmp_path / "back")

    assert (tree.files, tree.bytes) == (0, 0)
    assert folders.listing(tmp_path / "back") == {}


async def test_entries(service: Service, tmp_path: Path) -> None:
    source = folders.write(tmp_path, {"b/c": b"345", "a": b"12"})
    (source / "a").chmod(0o755)
    (source / "l").symlink_to("a")

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        entries = await client.entries(tree.id)

    assert entries == [Entry("a", 2, 0o100755), Entry("b/c", 3, 0o100644), Entry("l", 0, 0o120777)]


async def test_progress_ends_at_the_total(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.sample(tmp_path / "source")
    pushed: list[tuple[int, int]] = []
    pulled: list[tuple[int, int]] = []

    async with service.client(shared=shared) as client:
        tree = await client.push(source, progress=lambda *step: pushed.append(step))
        await client.pull(tree.id, tmp_path / "back", progress=lambda *step: pulled.append(step))

    assert pushed[-1] == pulled[-1] == (tree.bytes, tree.bytes)
    assert pushed == sorted(pushed)


async def test_ignored_paths_stay_at_home(service: Service, tmp_path: Path) -> None:
    source = folders.write(tmp_path, {"a": b"1", "skip/b": b"2", "c.tmp": b"3"})

    async with service.client(shared=True) as client:
        tree = await client.push(source, ignore=lambda path, _: path in {"skip", "c.tmp"})
        entries = await client.entries(tree.id)

    assert [entry.path for entry in entries] == ["a"]


async def test_stat_cache_spares_reading(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.sample(tmp_path / "source")
    await _settle(source)
    cache = tmp_path / "stat.sqlite"

    async with service.client(shared=shared) as client:
        tree = await client.push(source, stat_cache=cache)
        steps: list[tuple[int, int]] = []
        again = await client.push(
            source, stat_cache=cache, progress=lambda *step: steps.append(step)
        )

    assert again.id == tree.id
    assert steps[0] == (tree.bytes, tree.bytes)


async def test_stat_cache_of_another_store(service: Service, shared: bool, tmp_path: Path) -> None:
    """Files that need not be read to be named must be read if the store has never seen them."""
    source = folders.sample(tmp_path / "source")
    await _settle(source)
    cache = tmp_path / "stat.sqlite"

    async with service.client(shared=shared) as client:
        tree = await client.push(source, stat_cache=cache)
        service.stop()
        for pack in service.packs():
            pack.unlink()
        service.start()
        again = await client.push(source, stat_cache=cache)
        await client.pull(again.id, tmp_path / "back")

    assert (again.id, again.stored_bytes) == (tree.id, tree.stored_bytes)
    assert folders.listing(tmp_path / "back") == folders.listing(source)


async def test_pulls_only_into_nothing(service: Service, tmp_path: Path) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1"})
    occupied = folders.write(tmp_path / "occupied", {"mine": b"keep"})
    (tmp_path / "vacant").mkdir()

    async with service.client(shared=True) as client:
        tree = await client.push(source)
        with pytest.raises(Refused, match="not empty"):
            await client.pull(tree.id, occupied)
        with pytest.raises(Refused, match="in the way"):
            await client.pull(tree.id, source / "a")
        await client.pull(tree.id, tmp_path / "vacant")

    assert folders.listing(occupied) == {"mine": ("file", b"keep")}
    assert folders.listing(tmp_path / "vacant") == {"a": ("file", b"1")}


async def test_unknown_tree(service: Service, tmp_path: Path) -> None:
    async with service.client(shared=True) as client:
        with pytest.raises(NotFound):
            await client.pull("0" * 64, tmp_path / "back")

    assert list(tmp_path.iterdir()) == []


async def test_many_files(service: Service, shared: bool, tmp_path: Path) -> None:
    """More than fit into one page of a manifest, one batch of a lane, one portion of a pull."""
    files = {f"{number % 7}/{number}.txt": b"%d" % number for number in range(5000)}
    source = folders.write(tmp_path / "source", files)

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")
        entries = await client.entries(tree.id)

    assert folders.listing(tmp_path / "back") == folders.listing(source)
    assert len(entries) == tree.files == 5000


async def _settle(folder: Path) -> None:
    """Wait until the stat cache trusts the times of what was just written."""
    newest = max(path.lstat().st_ctime for path in folder.rglob("*"))
    await asyncio.sleep(max(0.0, newest + 2.1 - time.time()))
