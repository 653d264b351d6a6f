"""Who reaches into a session: questions to its process, and programs beside it."""

import asyncio
from typing import Any

import psutil
import pytest

from nsml_protos.session_pb2 import (
    EndOfInput,
    EvalOrder,
    EvalReply,
    Evaluation,
    Order,
    ShellEnded,
    ShellInput,
    ShellOpen,
    ShellOrder,
    ShellOutput,
    TakeBack,
    WindowSize,
)
from tests.runner.conftest import Platform, until
from tests.runner.recorder import Told

LOOP = """
import pathlib, time, nsml
lr = 0.1
nsml.bind()
print("runs", flush=True)
while not pathlib.Path("end").exists():
    if pathlib.Path("report").exists():
        nsml.report(scope=locals(), loss=1)
    time.sleep(0.01)
print("ended with", lr)
"""
SLEEP = "import time\nprint('runs', flush=True)\nwhile True: time.sleep(1)"


async def running(platform: Platform, code: str = LOOP, **spec: Any) -> Told:
    told = await platform.start(await platform.assign(code, **spec))
    await told.until(lambda told: told.output())
    while code == LOOP and (await ask(told, "0", now=True)).evaluation == Evaluation.UNHEARD:
        pass  # its listening begins a moment after its first call
    return told


async def ends(platform: Platform, told: Told) -> None:
    touch(platform, told, "end")
    assert await platform.runners[told.assignment.session.name].ended() == 0


def touch(platform: Platform, told: Told, name: str) -> None:
    (platform.work(told.assignment.session.name) / "code" / name).touch()


async def ask(told: Told, code: str, **named: Any) -> EvalReply:
    name = f"question {len(told.answers)}"  # one at a time
    asked = EvalOrder(id=name, code=code, **{"timeout_seconds": 60, **named})
    await told.orders.put(Order(eval=asked))
    await told.until(lambda told: name in told.answers)
    return told.answers[name]


async def test_code_is_evaluated_in_the_process(platform: Platform) -> None:
    told = await running(platform)
    touch(platform, told, "report")

    assert await ask(told, "print('here'); lr") == EvalReply(
        evaluation=Evaluation.RETURNED, output="here\n", value="0.1"
    )
    assert (await ask(told, "lr = 0.5")).evaluation == Evaluation.RETURNED
    assert (await ask(told, "1 / 0")).evaluation == Evaluation.RAISED
    assert (await ask(told, "'\\ud800'")).value == "'\\ud800'"
    assert (await ask(told, "print('\\ud800')")).output == "?\n"
    await ends(platform, told)
    assert told.output() == b"runs\nended with 0.5\n"


async def test_at_once_needs_no_report(platform: Platform) -> None:
    told = await running(platform)

    assert (await ask(told, "lr", now=True)).value == "0.1"
    late = await ask(told, "lr", timeout_seconds=0.2)
    assert late == EvalReply(evaluation=Evaluation.NOT_REACHED)
    touch(platform, told, "report")  # what was given up is not evaluated any more
    assert (await ask(told, "lr")).value == "0.1"
    await ends(platform, told)


@pytest.mark.parametrize("now", [False, True])
async def test_a_question_is_taken_back(platform: Platform, now: bool) -> None:
    told = await running(platform)
    touch(platform, told, "report")
    code = "print('begins'); pathlib.Path('begun').touch()\nwhile True: pass"
    asking = asyncio.create_task(ask(told, code, now=now))
    await until((platform.work(told.assignment.session.name) / "code" / "begun").exists)
    await told.orders.put(Order(take_back=TakeBack(id=f"question {len(told.answers)}")))

    assert await asking == EvalReply(evaluation=Evaluation.INTERRUPTED, output="begins\n")
    assert (await ask(told, "lr")).value == "0.1"
    await ends(platform, told)


async def test_what_cannot_be_broken_off_is_left_alone(platform: Platform) -> None:
    told = await running(platform)
    stubborn = "while True:\n    try: time.sleep(600)\n    except BaseException: pass"

    assert await ask(told, stubborn, now=True, timeout_seconds=1) == EvalReply(
        evaluation=Evaluation.GOES_ON
    )
    assert (await ask(told, "lr", now=True)).value == "0.1"
    await ends(platform, told)


async def test_code_without_the_sdk_is_not_heard(platform: Platform) -> None:
    told = await running(platform, SLEEP)

    assert await ask(told, "1") == EvalReply(evaluation=Evaluation.UNHEARD)


async def test_an_end_is_an_answer_too(platform: Platform) -> None:
    told = await running(platform)
    asking = asyncio.create_task(ask(told, "lr"))
    await ends(platform, told)

    assert await asking == EvalReply(evaluation=Evaluation.CODE_ENDED)


class Shell:
    """Somebody in a shell, or at the end of pipes."""

    def __init__(self, told: Told, *command: str, **asked: Any) -> None:
        self._told = told
        self._order = ShellOrder(id="shell", open=ShellOpen(command=command, **asked))

    @property
    def outputs(self) -> list[ShellOutput]:
        return self._told.shells.get("shell", [])

    async def open(self) -> "Shell":
        await self._told.orders.put(Order(shell=self._order))
        await self._told.until(lambda _: self.outputs)
        return self

    async def type(self, data: bytes) -> None:
        await self._told.typed.put(ShellInput(data=data))

    async def says(self, data: bytes) -> None:
        await self._told.until(lambda _: data in self.stdout)

    async def ended(self) -> ShellEnded:
        await self._told.until(lambda _: self.outputs and self.outputs[-1].HasField("ended"))
        return self.outputs[-1].ended

    @property
    def stdout(self) -> bytes:
        return b"".join(output.stdout for output in self.outputs)

    @property
    def stderr(self) -> bytes:
        return b"".join(output.stderr for output in self.outputs)


async def test_a_program_on_pipes(platform: Platform) -> None:
    told = await running(platform)
    script = 'cat; echo "$PWD $NSML_SESSION" >&2; exit 7'
    shell = await Shell(told, "sh", "-c", script).open()
    big = b"x" * 3_000_000
    await shell.type(big)
    await told.typed.put(ShellInput(end=EndOfInput()))

    assert await shell.ended() == ShellEnded(exit_code=7)
    assert shell.stdout == big
    name = told.assignment.session.name
    assert shell.stderr.decode() == f"{platform.work(name) / 'code'} {name}\n"
    await ends(platform, told)


async def test_it_finds_the_python_of_the_environment(platform: Platform) -> None:
    told = await running(platform)
    script = "import sys, nsml; nsml.report(a=1); print(sys.prefix); print(nsml.SESSION_NAME)"
    shell = await Shell(told, "python", "-c", script).open()

    assert (await shell.ended()).exit_code == 0
    environment = shell.stdout.decode().split()[0]
    assert environment.startswith(str(platform.settings.cache / "envs"))
    assert (await ask(told, "lr", now=True)).value == "0.1"  # it is not who is asked
    await ends(platform, told)


@pytest.mark.parametrize("terminal", [None, WindowSize(rows=5, columns=50)])
async def test_a_program_that_is_not_there(platform: Platform, terminal: WindowSize | None) -> None:
    told = await running(platform)
    shell = await Shell(told, "no-such-thing", terminal=terminal).open()
    ended = await shell.ended()

    assert ended.exit_code == 127
    assert "no-such-thing" in ended.message + shell.stdout.decode()
    await ends(platform, told)


async def test_a_shell_in_a_terminal(platform: Platform) -> None:
    told = await running(platform)
    size = WindowSize(rows=33, columns=99)
    shell = await Shell(told, terminal=size, term="xterm-256color").open()
    name = told.assignment.session.name
    await shell.says(f"({name}) ".encode())
    await shell.type(b"tty; stty size; echo $TERM; id -u\r")
    await shell.says(b"33 99\r\nxterm-256color\r\n")
    assert b"/dev/pts/" in shell.stdout
    await told.typed.put(ShellInput(resized=WindowSize(rows=20, columns=60)))
    await shell.type(b"stty size\r")
    await shell.says(b"20 60\r\n")
    await shell.type(b"sleep 600\r")
    await until(lambda: any(each.name() == "sleep" for each in below(platform, told)))
    await shell.type(b"\x03")
    await shell.type(b"echo $?\r")
    await shell.says(b"130\r\n")
    await shell.type(b"exit 5\r")

    assert await shell.ended() == ShellEnded(exit_code=5)
    await ends(platform, told)


def below(platform: Platform, told: Told) -> list[psutil.Process]:
    runner = platform.runners[told.assignment.session.name]
    return psutil.Process(runner.pid).children(recursive=True)


async def test_who_hangs_up_leaves_nothing(platform: Platform) -> None:
    told = await running(platform)
    shell = await Shell(told, terminal=WindowSize(rows=5, columns=50)).open()
    await shell.type(b"trap '' HUP; sleep 600 & sleep 600\r")
    await until(lambda: len(below(platform, told)) == 4)
    await told.typed.put(None)
    await until(lambda: len(below(platform, told)) == 1)

    assert (await ask(told, "lr", now=True)).value == "0.1"
    await ends(platform, told)


async def test_it_ends_with_the_code(platform: Platform) -> None:
    told = await running(platform)
    shell = await Shell(told, "sleep", "600").open()
    [sleeper] = [each for each in below(platform, told) if each.name() == "sleep"]
    await ends(platform, told)

    assert not sleeper.is_running()
    assert (await shell.ended()).exit_code == 137
    assert (await shell.ended()).message == "The code of the session has ended, and this with it."


async def test_it_is_counted_with_the_code(platform: Platform) -> None:
    told = await running(platform, resources={"memory_bytes": 100 << 20})
    await Shell(told, "python", "-c", "x = b'x' * (300 << 20); input()").open()
    await told.until(lambda told: told.end)

    assert told.outcome.out_of_memory
