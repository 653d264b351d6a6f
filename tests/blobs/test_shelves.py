"""One suite for all shelves: a folder, and an object store behind obstore."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nsml_core.blobs.object_shelf import ObjectShelf
from nsml_core.blobs.shelf import FolderShelf, Shelf, folder_of
from nsml_core.errors import Damaged, Invalid

NAME = "ab" * 32


@pytest.fixture(params=["folder", "memory", "file"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Make an empty shelf of each kind."""
    (tmp_path / "objects").mkdir()
    make: dict[str, Callable[[], Shelf]] = {
        "folder": lambda: FolderShelf(tmp_path / "store"),
        "memory": lambda: ObjectShelf("memory:///"),
        "file": lambda: ObjectShelf(f"file://{tmp_path}/objects"),
    }
    return make[request.param]()


def _keep(shelf: Shelf, tmp_path: Path, content: bytes, name: str = NAME) -> Path:
    file = tmp_path / "incoming"
    file.write_bytes(content)
    shelf.keep(file, name)
    return file


def test_gives_back_what_it_keeps(shelf: Shelf, tmp_path: Path) -> None:
    file = _keep(shelf, tmp_path, b"0123456789")

    assert shelf.read(NAME, 3, 4) == b"3456"
    assert shelf.size(NAME) == 10
    assert not file.exists()


def test_keeps_the_same_twice(shelf: Shelf, tmp_path: Path) -> None:
    _keep(shelf, tmp_path, b"same")
    _keep(shelf, tmp_path, b"same")

    assert list(shelf.names()) == [NAME]


def test_names(shelf: Shelf, tmp_path: Path) -> None:
    assert list(shelf.names()) == []
    for digit in "cab":
        _keep(shelf, tmp_path, b"x", digit * 64)

    assert sorted(shelf.names()) == ["a" * 64, "b" * 64, "c" * 64]


def test_sets_aside(shelf: Shelf, tmp_path: Path) -> None:
    _keep(shelf, tmp_path, b"x")

    shelf.set_aside(NAME)

    assert list(shelf.names()) == []
    with pytest.raises(Damaged):
        shelf.read(NAME, 0, 1)


def test_says_that_a_pack_is_gone(shelf: Shelf) -> None:
    with pytest.raises(Damaged, match="gone from the store"):
        shelf.read(NAME, 0, 1)


def test_folder_of_an_address() -> None:
    assert folder_of("file:///a/b%20c") == Path("/a/b c")
    assert folder_of("s3://bucket/prefix") is None
    with pytest.raises(Invalid):
        folder_of("file://relative/path")
