"""Whatever breaks a push: what is stored stays, nothing else does, and pushing again ends it."""

import asyncio
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from nsml_core.blobs import pack
from nsml_core.blobs.store import Store
from nsml_core.errors import Error, Exhausted, Unavailable
from tests.blobs import folders
from tests.blobs.service import Service

MB = 1 << 20

PUSH = """
import asyncio, sys
from nsml_core.blobs import Client, pack

pack.PACK_BYTES = 4 << 20

async def push(address, token, url, folder):
    async with Client(address, token, url) as client:
        await client.push(folder, progress=lambda *step: print(step, flush=True))

asyncio.run(push(*sys.argv[1:]))
"""


def _start_push(service: Service, folder: Path, *, shared: bool) -> "subprocess.Popen[str]":
    url = service.url if shared else ""
    command = [sys.executable, "-c", PUSH, service.address, service.token, url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _wait_for_a_pack(service: Service, pushing: "subprocess.Popen[str]") -> None:
    assert pushing.stdout is not None
    for _ in pushing.stdout:
        if service.packs():
            return
    raise AssertionError("the push ended before it was interrupted")


async def test_client_is_killed(service: Service, shared: bool, tmp_path: Path) -> None:
    files = {f"{number}.bin": folders.noise(25 * MB, number) for number in range(4)}
    source = folders.write(tmp_path / "source", files)
    pushing = _start_push(service, source, shared=shared)
    _wait_for_a_pack(service, pushing)

    pushing.kill()
    pushing.communicate()
    stored = sum(pack.stat().st_size for pack in service.packs())
    service.restart()  # which clears away what the client was writing
    assert service.incoming() == []
    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")

    assert stored > 0
    assert tree.stored_bytes <= tree.bytes - stored + MB
    assert folders.listing(tmp_path / "back") == folders.listing(source)


async def test_service_is_killed(
    service: Service, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor starts it again; who pushes through the folder does not even notice."""
    files = {f"{number}.bin": folders.noise(25 * MB, number) for number in range(4)}
    source = folders.write(tmp_path / "source", files)
    monkeypatch.setattr(pack, "PACK_BYTES", 4 * MB)
    kills = iter([signal.SIGKILL])

    def kill(done: int, total: int) -> None:
        if done > total // 3:
            for number in kills:
                service.restart(number)

    async with service.client(shared=shared) as client:
        with nullcontext() if shared else pytest.raises(Unavailable):
            await client.push(source, progress=kill)
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")

    assert folders.listing(tmp_path / "back") == folders.listing(source)
    assert service.incoming() == []


async def test_push_is_cancelled(service: Service, shared: bool, tmp_path: Path) -> None:
    files = {f"{number}": folders.noise(20 * MB, number) for number in range(4)}
    source = folders.write(tmp_path, files)
    begun = asyncio.Event()

    async with service.client(shared=shared) as client:
        pushing = asyncio.create_task(client.push(source, progress=lambda *_: begun.set()))
        await begun.wait()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        tree = await client.push(source)

    assert tree.files == 4
    service.stop()
    assert service.incoming() == []
    service.start()


async def test_pull_is_cancelled(service: Service, shared: bool, tmp_path: Path) -> None:
    files = {f"{number}": folders.noise(20 * MB, number) for number in range(4)}
    source = folders.write(tmp_path / "source", files)
    begun = asyncio.Event()

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        pulling = asyncio.create_task(
            client.pull(tree.id, tmp_path / "back", progress=lambda *_: begun.set())
        )
        await begun.wait()
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling

    assert [path.name for path in tmp_path.iterdir()] == ["source"]


async def test_many_push_at_once(service: Service, tmp_path: Path) -> None:
    common = {f"common/{number}.txt": folders.noise(20_000, number) for number in range(300)}
    common["large.bin"] = folders.noise(20 * MB, 999)
    sources = [
        folders.write(tmp_path / str(number), common | {"own": b"%d" % number})
        for number in range(4)
    ]

    async def push_and_pull(number: int) -> None:
        async with service.client(shared=number % 2 == 0) as client:
            tree = await client.push(sources[number])
            await client.pull(tree.id, tmp_path / f"back{number}")

    await asyncio.gather(*map(push_and_pull, range(4)))

    for number, source in enumerate(sources):
        assert folders.listing(tmp_path / f"back{number}") == folders.listing(source)
    service.stop()
    store = Store(service.url)
    assert list(store.verify()) == []
    store.close()
    service.start()


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MB, resource.RLIM_INFINITY))


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file may grow beyond a few megabytes: a full disk that needs neither root nor a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    _limit_files()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_disk_of_the_store_is_full(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.write(tmp_path / "source", {"a": folders.noise(20 * MB)})
    service.stop()
    service.start(_limit_files)

    async with service.client(shared=shared) as client:
        with _full_disk(), pytest.raises(Exhausted) as raised:
            await client.push(source)
        assert await service.has_let_go()
        assert service.packs() == []
        service.restart()
        tree = await client.push(source)

    assert raised.value.sentence.startswith("There is no room on the disk for the store of blobs:")
    assert tree.files == 1


async def test_disk_of_the_puller_is_full(service: Service, shared: bool, tmp_path: Path) -> None:
    source = folders.write(tmp_path / "source", {"a": folders.noise(20 * MB)})

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        with _full_disk(), pytest.raises(Exhausted) as raised:
            await client.pull(tree.id, tmp_path / "back")

    assert raised.value.sentence.startswith("There is no room on the disk for")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


async def test_answer_to_an_adoption_is_lost(service: Service, tmp_path: Path) -> None:
    """GRPC sends a call again when the connection broke; the first may have been done."""
    source = folders.write(tmp_path, {"a": b"1"})
    async with service.client(shared=True) as client:
        await client.push(source)
        (pack,) = service.packs()
        receipt = await client._remote.adopt("0" * 32, pack.stem)

        assert (receipt.blobs, receipt.bytes) == (0, pack.stat().st_size)
        with pytest.raises(Error, match="push again"):
            await client._remote.adopt("0" * 32, "0" * 64)
