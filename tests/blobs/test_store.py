"""The store: an index that the packs can always give back, and damage that is found and mended."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nsml_core.blobs import pack as packs
from nsml_core.blobs.chunk import blob_id
from nsml_core.blobs.store import Store
from nsml_core.errors import Damaged, Invalid, NotFound, Refused


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store in a folder."""
    opened = Store(f"file://{tmp_path}")
    yield opened
    opened.close()


def _put(store: Store, blobs: Sequence[bytes]) -> str:
    """Store these blobs as one pack, and return its name."""
    ids, sizes = [blob_id(blob) for blob in blobs], [len(blob) for blob in blobs]
    name, footer = packs.seal(ids, sizes)
    _receive(store, [*blobs, footer])
    return name


def _receive(store: Store, content: Sequence[bytes]) -> None:
    incoming = store.receive()
    try:
        incoming.write(content)
        store.adopt(incoming.name)
    finally:
        incoming.close()


def test_finds_what_it_took(store: Store) -> None:
    blobs = [b"one", b"two", b"three"]
    ids = [blob_id(blob) for blob in blobs]

    _put(store, blobs)

    assert list(store.read(ids)) == blobs
    assert store.missing([blob_id(b"four"), *ids]) == [blob_id(b"four")]
    assert list(store.incoming.iterdir()) == []


def test_takes_the_same_twice(store: Store) -> None:
    name = _put(store, [b"one"])

    assert _put(store, [b"one"]) == name
    assert store.totals()[0] == 1


@pytest.mark.parametrize("at", [0, 2, 5, -1, -20, -60])
def test_refuses_a_pack_with_one_bit_flipped(store: Store, at: int) -> None:
    blobs = [b"one", b"two"]
    _, footer = packs.seal([blob_id(blob) for blob in blobs], [3, 3])
    content = bytearray(b"".join(blobs) + footer)
    content[at] ^= 1

    with pytest.raises(Damaged):
        _receive(store, [bytes(content)])

    assert store.totals() == (0, 0)
    assert list(store.incoming.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100, b"NSMLPCK1" * 10])
def test_refuses_what_is_no_pack(store: Store, content: bytes) -> None:
    with pytest.raises(Damaged):
        _receive(store, [content])


def test_refuses_a_blob_larger_than_one_may_be(store: Store) -> None:
    with pytest.raises(Damaged):
        _put(store, [bytes((4 << 20) + 1)])


@pytest.mark.parametrize("name", ["", "..", "../lock", "/etc/passwd", "x" * 32])
def test_refuses_names_that_lead_elsewhere(store: Store, name: str) -> None:
    with pytest.raises(Invalid):
        store.adopt(name)


def test_does_not_adopt_through_a_link(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    (store.incoming / ("0" * 32)).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        store.adopt("0" * 32)

    assert (tmp_path / "elsewhere").read_bytes() == b"x"


def test_index_is_made_again_from_the_packs(store: Store, tmp_path: Path) -> None:
    blobs = [b"one", b"two", b"three"]
    _put(store, blobs[:2])
    _put(store, blobs[2:])
    ids = [blob_id(blob) for blob in blobs]
    before = store.locate(ids)
    store.close()
    for file in tmp_path.glob("index.sqlite*"):
        file.unlink()

    again = Store(f"file://{tmp_path}")

    assert again.locate(ids) == before
    again.close()
    store.__init__(f"file://{tmp_path}")  # type: ignore[misc] # for the fixture to close


def test_index_forgets_packs_that_are_gone(store: Store, tmp_path: Path) -> None:
    name = _put(store, [b"one"])
    (tmp_path / "packs" / f"{name}.pack").unlink()

    store.reconcile()

    assert store.missing([blob_id(b"one")]) == [blob_id(b"one")]


def test_leftovers_go_but_not_those_in_use(store: Store) -> None:
    mine = store.receive()
    (store.incoming / "leftover").write_bytes(b"x")

    store.remove_leftovers()

    assert [path.name for path in store.incoming.iterdir()] == [mine.name]
    mine.close()


def test_is_served_by_one_process(store: Store, tmp_path: Path) -> None:
    assert store.totals() == (0, 0)
    with pytest.raises(Refused, match="Another process serves the store"):
        Store(f"file://{tmp_path}")


def test_whole_store_verifies(store: Store) -> None:
    _put(store, [b"one", b"two"])

    assert list(store.verify()) == []


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


def test_damage_is_found_set_aside_and_mended(store: Store, tmp_path: Path) -> None:
    name = _put(store, [b"one", b"two", b"three"])
    _flip(tmp_path / "packs" / f"{name}.pack", 4)

    (damage,) = store.verify()
    store.set_aside(damage)

    assert damage.ids == [blob_id(b"two")]
    assert store.missing([blob_id(b) for b in (b"one", b"two", b"three")]) == [blob_id(b"two")]
    assert list(store.verify()) == []
    assert (tmp_path / "damaged" / f"{name}.pack").exists()
    _put(store, [b"two"])
    assert store.get(blob_id(b"two")) == b"two"


def test_damaged_footer_is_found_and_set_aside(store: Store, tmp_path: Path) -> None:
    name = _put(store, [b"one"])
    _flip(tmp_path / "packs" / f"{name}.pack", -1)

    (damage,) = store.verify()
    store.set_aside(damage)

    assert damage.pack == name
    assert store.missing([blob_id(b"one")]) == [blob_id(b"one")]


def test_damage_is_not_given_out(store: Store, tmp_path: Path) -> None:
    name = _put(store, [b"one"])
    _flip(tmp_path / "packs" / f"{name}.pack", 0)

    with pytest.raises(Damaged):
        store.get(blob_id(b"one"))
    with pytest.raises(NotFound):
        store.get(blob_id(b"other"))


def test_store_in_an_object_store(tmp_path: Path) -> None:
    """S3's twin in memory: packs are objects, only the index and what comes in are files."""
    store = Store("memory:///", tmp_path)
    _put(store, [b"one", b"two"])

    assert list(store.read([blob_id(b"two"), blob_id(b"one")])) == [b"two", b"one"]
    assert list(store.verify()) == []
    assert not (tmp_path / "packs").exists()
    store.close()
