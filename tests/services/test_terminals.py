"""Who reaches into a running session is joined with its runner, and with no other."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import (
    AttachInput,
    EvalReply,
    EvalRequest,
    Evaluation,
    ShellEnded,
    ShellInput,
    ShellOpen,
    ShellOutput,
)
from tests.services.link import Link
from tests.services.world import BOB, ROOT, World, eventually, refused

Code = grpc.StatusCode


class Runner:
    """A session that runs, and its runner's line."""

    def __init__(self, world: World, ref: pb.AttemptRef) -> None:
        self.world = world
        self.ref = ref
        self.name = ref.name
        self.link = Link(world, ref)
        self.stub = world.attempts(ref.name, ref.attempt)

    async def order(self) -> pb.Order:
        """The next order that is no acknowledgement."""
        while True:
            order: pb.Order = await self.link.call.read()
            if order.WhichOneof("order") != "acknowledged":
                return order

    async def answer(self, name: str, **reply: Any) -> None:
        await self.stub.Answer(pb.AnswerRequest(ref=self.ref, id=name, reply=EvalReply(**reply)))

    async def attach(self, order: pb.Order) -> Any:
        call = self.stub.Attach()
        to = pb.AttachTo(ref=self.ref, id=order.shell.id)
        await call.write(AttachInput(to=to))
        return call


@pytest.fixture
async def runner(world: World) -> AsyncIterator[Runner]:
    """A runner that has said a word."""
    runner = Runner(world, await world.started((await world.run()).name))
    await runner.link.say(1)
    await runner.link.acknowledged(1)
    yield runner
    runner.link.call.cancel()


async def details(world: World, name: str) -> list[tuple[str, str, Any]]:
    """Its events from its start on: who, what, and with what."""
    lines = (await world.sessions().History(pb.HistoryRequest(name=name))).lines
    return [(line.actor, line.event, json.loads(line.detail)) for line in lines[3:]]


async def test_a_question_is_answered(world: World, runner: Runner) -> None:
    asked = EvalRequest(name=runner.name, code="loss", now=True, timeout_seconds=7)
    asking = asyncio.ensure_future(world.sessions().Eval(asked))
    order = (await runner.order()).eval
    assert (order.code, order.now, order.timeout_seconds) == ("loss", True, 7)
    await runner.answer("another", value="0.1")
    await runner.answer(order.id, evaluation=Evaluation.RETURNED, value="0.5")

    assert await asking == EvalReply(evaluation=Evaluation.RETURNED, value="0.5")
    await runner.answer(order.id, value="late")
    assert await details(world, runner.name) == [
        ("user:ann", "Evaluated", {"attempt": 1, "code": "loss", "now": True})
    ]


async def test_whoever_hangs_up_takes_the_question_back(world: World, runner: Runner) -> None:
    asking = world.sessions().Eval(EvalRequest(name=runner.name, code="loss"))
    name = (await runner.order()).eval.id
    asking.cancel()

    assert (await runner.order()).take_back.id == name


async def test_what_is_not_there_is_refused_without_a_trace(world: World, runner: Runner) -> None:
    waiting = (await world.run()).name
    for caller, name, code, sentence in (
        (world.sessions(), waiting, Code.FAILED_PRECONDITION, "does not run yet (Queued)"),
        (world.sessions(BOB), runner.name, Code.NOT_FOUND, "no session"),
        (world.sessions(ROOT), runner.name, Code.PERMISSION_DENIED, "Only ann may enter"),
        (world.sessions(), "ann/None/99", Code.NOT_FOUND, "no session"),
    ):
        async with refused(code, sentence):
            await caller.Eval(EvalRequest(name=name, code="1"))
        async with refused(code, sentence):
            await shell(caller, name).read()
    await runner.link.hang_up()
    await eventually(lambda: unheard(world, runner.name))
    assert await details(world, runner.name) == []


async def unheard(world: World, name: str) -> bool:
    try:
        await world.sessions().Eval(EvalRequest(name=name, code="1"), timeout=0.2)
    except grpc.aio.AioRpcError as error:
        return "The runner of ann/None/1 does not answer" in (error.details() or "")
    return False


async def test_an_older_attempt_answers_nothing(world: World, runner: Runner) -> None:
    await world.ended(runner.ref)
    await world.sessions().Resume(pb.ResumeRequest(name=runner.name, from_start=True))
    async with refused(Code.ABORTED, "not the current one"):
        await runner.answer("any")
    async with refused(Code.ABORTED, "not the current one"):
        await (await runner.attach(pb.Order())).read()


def shell(stub: Any, name: str, *typed: bytes, **asked: Any) -> Any:
    async def words() -> AsyncIterator[ShellInput]:
        yield ShellInput(open=ShellOpen(name=name, **asked))
        for data in typed:
            yield ShellInput(data=data)
        await asyncio.sleep(3600)

    return stub.Shell(words())


async def test_a_shell_is_joined_with_its_runner(world: World, runner: Runner) -> None:
    mine = shell(world.sessions(), runner.name, b"first", command=["cat"])
    order = await runner.order()
    assert list(order.shell.open.command) == ["cat"]
    theirs = await runner.attach(order)
    assert (await theirs.read()).data == b"first"
    async with refused(Code.FAILED_PRECONDITION, "Nobody waits"):
        await (await runner.attach(order)).read()
    await theirs.write(AttachInput(output=ShellOutput(stdout=b"first")))
    assert (await mine.read()).stdout == b"first"
    await theirs.write(AttachInput(output=ShellOutput(ended=ShellEnded(exit_code=3))))

    assert (await mine.read()).ended.exit_code == 3
    assert await mine.read() == await theirs.read() == grpc.aio.EOF
    assert await details(world, runner.name) == [
        ("user:ann", "Entered", {"attempt": 1, "command": ["cat"]})
    ]


async def test_when_either_side_goes_the_other_hears(world: World, runner: Runner) -> None:
    mine = shell(world.sessions(), runner.name, b"first")
    theirs = await runner.attach(await runner.order())
    await theirs.read()
    mine.cancel()
    assert await theirs.read() == grpc.aio.EOF

    mine = shell(world.sessions(), runner.name, b"first")
    theirs = await runner.attach(await runner.order())
    await theirs.read()
    theirs.cancel()
    async with refused(Code.UNAVAILABLE, "went away"):
        await mine.read()


async def test_whoever_reads_slowly_is_waited_for(world: World, runner: Runner) -> None:
    """What is on its way is bounded, whichever side is slow; none of it is lost."""
    mine = shell(world.sessions(), runner.name)
    theirs = await runner.attach(await runner.order())
    data, written = b"x" * 32_000, 0

    async def write() -> None:
        nonlocal written
        while written < 3_000:
            await theirs.write(AttachInput(output=ShellOutput(stdout=data)))
            written += 1
        await theirs.write(AttachInput(output=ShellOutput(ended=ShellEnded())))

    writing = asyncio.create_task(write())
    last = -1
    while not written or written != last:  # until nothing more goes in
        last = written
        await asyncio.sleep(0.5)
    assert 0 < written < 3_000
    read = 0
    while not (output := await mine.read()).HasField("ended"):
        read += len(output.stdout)

    assert read == 3_000 * len(data)
    await writing
