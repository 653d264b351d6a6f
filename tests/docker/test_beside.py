"""Who reaches into a session that runs in a container."""

import pytest

from nsml_protos.session_pb2 import (
    EndOfInput,
    EvalReply,
    Evaluation,
    ShellEnded,
    ShellInput,
    WindowSize,
)
from tests.runner.conftest import Platform
from tests.runner.test_terminals import Shell, ask, ends, running

pytestmark = pytest.mark.usefixtures("node")


async def test_a_program_on_pipes_has_the_user_folder_and_python_of_the_session(
    platform: Platform,
) -> None:
    told = await running(platform)
    script = (
        "cat; pwd >&2; python3 -c 'import nsml; print(nsml.SESSION_NAME)' >&2; id -u >&2; exit 7"
    )
    shell = await Shell(told, "sh", "-c", script).open()
    big = b"x" * 1_000_000
    await shell.type(big)
    await told.typed.put(ShellInput(end=EndOfInput()))

    assert await shell.ended() == ShellEnded(exit_code=7)
    assert shell.stdout == big
    name = told.assignment.session.name
    assert shell.stderr.decode().split()[:2] == ["/nsml/code", name]
    assert shell.stderr.decode().split()[2] != "0"
    assert await ask(told, "lr", now=True) == EvalReply(evaluation=Evaluation.RETURNED, value="0.1")
    await ends(platform, told)


async def test_a_shell_in_a_terminal(platform: Platform) -> None:
    told = await running(platform)
    size = WindowSize(rows=33, columns=99)
    shell = await Shell(told, terminal=size, term="xterm-256color").open()
    await shell.says(f"({told.assignment.session.name}) ".encode())
    await shell.type(b"tty; stty size; echo $TERM\r")
    await shell.says(b"33 99\r\nxterm-256color\r\n")
    await told.typed.put(ShellInput(resized=WindowSize(rows=20, columns=60)))
    await shell.type(b"stty size\r")
    await shell.says(b"20 60\r\n")
    await shell.type(b"exit 3\r")

    assert (await shell.ended()).exit_code == 3
    await ends(platform, told)


async def test_a_program_that_is_not_there(platform: Platform) -> None:
    told = await running(platform)
    shell = await Shell(told, "no-such-thing").open()
    ended = await shell.ended()

    assert ended.exit_code in {126, 127}
    assert "no-such-thing" in ended.message + (shell.stdout + shell.stderr).decode()
    await ends(platform, told)
