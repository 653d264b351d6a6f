"""A container is a sandbox like any other."""

from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from nsml_runner.box import Box, Mount
from nsml_runner.containers import Engine
from nsml_runner.sandbox import Command, Running
from nsml_runner.sandbox_docker import DockerSandbox
from tests.docker.daemon import IMAGE
from tests.runner.test_sandbox import (
    Kind,
    end,
    read,
    stranger,
    test_all_that_was_said_is_there_once_nothing_is_left,
    test_code_gets_its_folder_and_its_environment_only,
    test_it_holds_the_code_to_its_cpus,
    test_it_measures_children_too,
    test_it_tells_how_the_code_ended,
    test_kill_ends_all_that_was_started_and_nothing_else,
    test_nothing_can_be_read_from_its_input,
)

__all__ = [
    "stranger",
    "test_all_that_was_said_is_there_once_nothing_is_left",
    "test_code_gets_its_folder_and_its_environment_only",
    "test_it_holds_the_code_to_its_cpus",
    "test_it_measures_children_too",
    "test_it_tells_how_the_code_ended",
    "test_kill_ends_all_that_was_started_and_nothing_else",
    "test_nothing_can_be_read_from_its_input",
]
ADDS = frozenset(("HOME", "HOSTNAME", "NVIDIA_VISIBLE_DEVICES", "PATH", "TINI_KILL_PROCESS_GROUP"))


class ContainerKind(Kind):
    def pids(self, running: Running, printed: Sequence[int]) -> list[int]:
        """A container counts its own; this node knows them as children of the first."""
        first = psutil.Process(running.pid)
        return [first.pid, *(child.pid for child in first.children(recursive=True))]


@pytest.fixture
def kind(engine: Engine, tmp_path: Path) -> Kind:
    code = tmp_path / "code"
    code.mkdir()
    box = Box(IMAGE, "64000:64000", {"nsml.test": tmp_path.name}, [Mount(code, "/nsml/code")])
    sandbox = DockerSandbox(engine, box, tmp_path / "cpus")
    return ContainerKind(sandbox, "python3", Path("/nsml/code"), ADDS)


async def test_a_program_that_is_not_there_ends_as_in_a_shell(kind: Kind) -> None:
    running = await kind.sandbox.start(Command(("not-there",), kind.cwd, {}))

    assert await end(running) == 127
    assert b"not-there" in read(running.stderr)
    assert read(running.stdout) == b""


async def test_an_image_that_is_not_there_is_an_error_and_leaves_nothing_open(
    engine: Engine, kind: Kind, tmp_path: Path
) -> None:
    sandbox = DockerSandbox(engine, Box("nsml-test:none", "1:1", {}), tmp_path / "cpus")
    with pytest.raises(OSError, match="nsml-test:none"):
        await sandbox.start(kind.command("print(1)"))


async def test_no_container_is_left(engine: Engine, kind: Kind, tmp_path: Path) -> None:
    running = await kind.sandbox.start(kind.command("print(1)"))
    labels = {"nsml.test": tmp_path.name}
    during = engine.find(labels)
    await end(running)

    assert (len(during), engine.find(labels)) == (1, [])
    assert (read(running.stdout), read(running.stderr)) == (b"1\n", b"")
