"""Those who reach into this attempt: what they ask, and what they start beside the user's code."""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import replace

import grpc.aio

from nsml_core.errors import Error
from nsml_protos.session_pb2 import (
    AttachInput,
    EvalOrder,
    EvalReply,
    Evaluation,
    Order,
    ShellEnded,
    ShellOpen,
    ShellOrder,
    ShellOutput,
)
from nsml_runner.attempts import Attempts, ShellCall
from nsml_runner.controlling import NOT_FOUND, NOT_STARTED
from nsml_runner.questions import Questions
from nsml_runner.sandbox import Beside, Command, Running, Size
from nsml_runner.shell import Shell

AT_ONCE_MAX = 32
ANSWER_SECONDS = 30.0
"""A service that was away for longer does not know who asked."""

GOODBYE_SECONDS = 2.0
"""For the last answers, once the user's code has ended."""

_TERM = re.compile(r"[A-Za-z0-9+._-]{1,64}")


# It reads no start-up files: they would put other Pythons in front.
_SHELL = (
    *("/bin/sh", "-c"),
    "command -v bash >/dev/null && exec bash --noprofile --norc; exec /bin/sh",
)


class NotStarted(Exception):
    """A program that cannot be started: the exit code that says so, and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Terminals:
    """Obeys the orders that come for them, each in a task of its own."""

    def __init__(self, attempts: Attempts, questions: Questions) -> None:
        self._attempts = attempts
        self._questions = questions
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Running | None = None
        self._command: Command | None = None

    def obey(self, order: Order) -> None:
        match order.WhichOneof("order"):
            case "eval":
                self._start(self._evaluate(order.eval))
            case "shell":
                self._start(self._open(order.shell))
            case "take_back":
                self._questions.take_back(order.take_back.id)
            case _:
                pass  # for others

    def open(self, running: Running, command: Command) -> None:
        """The user's code runs: whoever comes in finds what it was started with."""
        self._running, self._command = running, command

    def shut(self) -> None:
        """The user's code ends: nothing may be started that would outlive it."""
        self._running = None

    async def close(self) -> None:
        """Let the last answers out."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=GOODBYE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        if len(self._tasks) >= AT_ONCE_MAX:
            work.close()  # it is as if this runner were away
            return
        task = asyncio.create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except* (Error, grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            pass  # nobody waits any more; the line to the service learns what else is wrong

    async def _evaluate(self, asked: EvalOrder) -> None:
        if self._running is None:
            reply = EvalReply(evaluation=Evaluation.CODE_ENDED)
        else:
            reply = await self._questions.ask(asked)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._attempts.answer(asked.id, reply)

    async def _open(self, asked: ShellOrder) -> None:
        call = await self._attempts.attach(asked.id)
        try:
            try:
                beside = await self._started(asked.open)
            except NotStarted as refusal:
                await _refuse(call, refusal)
                return
            await Shell(call, beside, self._why_ended).run()
        finally:
            call.cancel()

    def _why_ended(self) -> str:
        goes_on = self._running is not None and not self._running.has_ended
        return "" if goes_on else "The code of the session has ended, and this with it."

    async def _started(self, asked: ShellOpen) -> Beside:
        if self._running is None or self._command is None:
            raise NotStarted(NOT_STARTED, "The code of this session has ended, or not begun.")
        command = self._beside(asked, self._command)
        terminal = _size(asked) if asked.HasField("terminal") else None
        try:
            return await self._running.start_beside(command, terminal)
        except FileNotFoundError:
            raise NotStarted(NOT_FOUND, f"There is no command {command.argv[0]} there.") from None
        except OSError as error:
            raise NotStarted(
                NOT_STARTED, f"{command.argv[0]} cannot be started: {error.strerror}."
            ) from None

    def _beside(self, asked: ShellOpen, command: Command) -> Command:
        """Return the program, in the user's folder and environment; it answers no questions."""
        env = {**command.env, "NSML_TERMINAL": "off"}
        if asked.HasField("terminal"):
            term = asked.term if _TERM.fullmatch(asked.term) else "dumb"
            prompt = f"({self._attempts.session}) \\W \\$ "
            env.update(TERM=term, PS1=prompt, HISTFILE="")
        return replace(command, argv=tuple(asked.command) or _SHELL, env=env)


def _size(asked: ShellOpen) -> Size:
    rows, columns = asked.terminal.rows, asked.terminal.columns
    return Size(min(rows or 24, 9999), min(columns or 80, 9999))


async def _refuse(call: ShellCall, refusal: NotStarted) -> None:
    ended = ShellEnded(exit_code=refusal.code, message=refusal.sentence)
    await call.write(AttachInput(output=ShellOutput(ended=ended)))
    await call.done_writing()
    async for _ in call:
        pass  # until it is taken
