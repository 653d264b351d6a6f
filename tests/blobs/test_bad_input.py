"""What cannot be pushed is refused in one sentence, and nothing half-made remains."""

import os
import socket
from pathlib import Path

import pytest

from nsml_core.errors import Error, Invalid, NotFound, Refused
from tests.blobs import folders
from tests.blobs.service import Service


async def _refusal(service: Service, source: Path) -> Error:
    async with service.client(shared=True) as client:
        with pytest.raises(Error) as raised:
            await client.push(source)
    assert service.packs() == service.incoming() == []
    return raised.value


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "b/../../outside", "b/../a", "../../x"]
)
async def test_link_that_may_lead_outside(service: Service, tmp_path: Path, target: str) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1", "b/c": b"2"})
    (source / "link").symlink_to(target)

    error = await _refusal(service, source)

    assert isinstance(error, Invalid)
    assert "'link'" in error.sentence


async def test_pipe(service: Service, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    error = await _refusal(service, tmp_path)

    assert error.sentence == (
        "'pipe' is neither file, folder nor link: leave it out by .nsmlignore."
    )


async def test_socket(service: Service, short_path: Path) -> None:
    folder = short_path / "source"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        error = await _refusal(service, folder)

    assert isinstance(error, Invalid)


async def test_name_that_is_not_utf8(service: Service, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")

    error = await _refusal(service, tmp_path)

    assert error.sentence.endswith(r"caf\xe9' is not UTF-8: rename it.")


async def test_endless_nesting(service: Service, tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 300)).mkdir(parents=True)

    assert "is nested too deeply" in (await _refusal(service, tmp_path)).sentence


async def test_no_folder(service: Service, tmp_path: Path) -> None:
    assert isinstance(await _refusal(service, tmp_path / "absent"), NotFound)


async def test_file_instead_of_folder(service: Service, tmp_path: Path) -> None:
    folders.write(tmp_path, {"a": b"1"})

    assert isinstance(await _refusal(service, tmp_path / "a"), Refused)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_unreadable_file(service: Service, tmp_path: Path) -> None:
    folders.write(tmp_path, {"a": b"1"})
    (tmp_path / "a").chmod(0)

    error = await _refusal(service, tmp_path)

    assert error.sentence == "'a' cannot be read: give yourself permission to it."


CHANGED = "'b' changed while it was pushed: push again when nothing writes there."


@pytest.mark.parametrize("how", ["grows", "shrinks", "is rewritten", "goes", "becomes a link"])
async def test_file_changes_before_it_is_read(
    service: Service, shared: bool, tmp_path: Path, how: str
) -> None:
    source = folders.write(tmp_path / "source", {"a": b"1", "b": b"22", "c": b"3"})

    async with service.client(shared=shared) as client:
        with pytest.raises(Refused) as raised:
            await client.push(source, check=lambda _: _change(source / "b", how))

    assert raised.value.sentence == CHANGED
    assert await service.has_let_go()


def _change(file: Path, how: str) -> None:
    match how:
        case "grows":
            file.write_bytes(b"222")
        case "shrinks":
            file.write_bytes(b"2")
        case "is rewritten":
            file.write_bytes(b"99")
        case "goes":
            file.unlink()
        case "becomes a link":
            file.unlink()
            file.symlink_to("a")


@pytest.mark.parametrize("how", ["is rewritten", "goes", "comes"])
async def test_folder_changes_after_it_was_read(
    service: Service, shared: bool, tmp_path: Path, how: str
) -> None:
    """The folder is looked at again before its tree is stored; the change happens right then."""
    files = {"a/x": b"1", "z/x": b"3"} | ({} if how == "comes" else {"b": b"2"})
    source = folders.write(tmp_path / "source", files)
    looks: list[str] = []

    def change_at_the_second_look(path: str, is_directory: bool) -> bool:
        looks.append(path)
        if is_directory and looks.count(path) == 2 and path == "a":
            if how == "comes":
                (source / "z" / "b").write_bytes(b"")
            else:
                _change(source / "b", how)
        return False

    async with service.client(shared=shared) as client:
        with pytest.raises(Refused) as raised:
            await client.push(source, ignore=change_at_the_second_look)

    assert raised.value.sentence == (CHANGED.replace("b", "z/b", 1) if how == "comes" else CHANGED)
    assert await service.has_let_go()
