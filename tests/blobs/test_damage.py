"""What is damaged in the store is never given out, and the error names the file."""

from pathlib import Path

import pytest

from nsml_core.errors import Damaged
from tests.blobs import folders
from tests.blobs.service import Service


async def _pull_damaged(service: Service, folder: Path, *, shared: bool) -> str:
    async with service.client(shared=shared) as client:
        tree = await client.push(folder)
        _flip_in_the_packs(service, (folder / "b/victim.bin").read_bytes()[1000:1064])
        with pytest.raises(Damaged) as raised:
            await client.pull(tree.id, folder.parent / "back")
    return raised.value.sentence


def _flip_in_the_packs(service: Service, content: bytes) -> None:
    for pack in service.packs():
        stored = bytearray(pack.read_bytes())
        at = stored.find(content)
        if at >= 0:
            stored[at] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(stored)


@pytest.mark.parametrize("size", [5000, 3 << 20])
async def test_flipped_bit(service: Service, shared: bool, tmp_path: Path, size: int) -> None:
    files = {f"{name}/other.bin": folders.noise(9000, seed) for seed, name in enumerate("abc")}
    source = folders.write(
        tmp_path / "source", {**files, "b/victim.bin": folders.noise(size, seed=9)}
    )

    sentence = await _pull_damaged(service, source, shared=shared)

    assert sentence.startswith("The content of 'b/victim.bin' is damaged in the store:")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("how", ["gone", "truncated"])
async def test_pack_is_lost(service: Service, shared: bool, tmp_path: Path, how: str) -> None:
    content = {f"{number}.bin": folders.noise(5 << 20, number) for number in range(3)}
    source = folders.write(tmp_path / "source", content)

    async with service.client(shared=shared) as client:
        tree = await client.push(source)
        largest = max(service.packs(), key=lambda pack: pack.stat().st_size)
        if how == "gone":
            largest.unlink()
        else:
            largest.chmod(0o600)
            largest.write_bytes(largest.read_bytes()[: 1 << 20])
        with pytest.raises(Damaged) as raised:
            await client.pull(tree.id, tmp_path / "back")

    assert ".bin' is damaged in the store" in raised.value.sentence or how == "gone"
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


async def test_is_mended_by_pushing_again(service: Service, tmp_path: Path) -> None:
    """The words of the error, followed: verify the store, push again, pull."""
    source = folders.write(tmp_path / "source", {"b/victim.bin": folders.noise(5000)})
    await _pull_damaged(service, source, shared=True)

    found, mended, whole = service.verify(), service.verify("--mend"), service.verify()
    async with service.client(shared=True) as client:
        tree = await client.push(source)
        await client.pull(tree.id, tmp_path / "back")

    assert [found.returncode, mended.returncode, whole.returncode] == [1, 0, 0]
    assert found.stdout.startswith("Pack ")
    assert folders.listing(tmp_path / "back") == folders.listing(source)
