"""Programs beside the user's code in its container, with its user, rights and limits."""

import asyncio
import contextlib
import os
import select
import signal
import socket
import threading

import psutil

from nsml_core.errors import Error
from nsml_runner.containers import LOOK_SECONDS, SIGNALLED, Engine
from nsml_runner.output import pump
from nsml_runner.sandbox import Command, Size

LAST_WORDS_SECONDS = 1.0


class DockerBeside:
    """A program that the engine started; its terminal, if it has one, is the engine's."""

    def __init__(self, engine: Engine, program: str, stream: socket.socket, *, tty: bool) -> None:
        self._engine = engine
        self._program = program
        self._stream = stream
        self._pump: threading.Thread | None = None
        if tty:
            self.stdin = stream.detach()
            self.outputs: tuple[int, ...] = (self.stdin,)
        else:
            self._split(stream)

    def _split(self, stream: socket.socket) -> None:
        """Make pipes of one stream, which threads carry."""
        theirs, self.stdin = os.pipe()
        (stdout, out), (stderr, err) = os.pipe(), os.pipe()
        self.outputs = (stdout, stderr)
        carried = (theirs, stream.dup())
        self._pump = threading.Thread(target=pump, args=(stream, out, err), daemon=True)
        self._pump.start()
        threading.Thread(target=_carry, args=carried, daemon=True).start()

    async def wait(self) -> int:
        while True:
            code = await asyncio.to_thread(self._look)
            if code is not None:
                await asyncio.to_thread(self._await_output)
                return SIGNALLED - code if SIGNALLED < code <= SIGNALLED + 64 else code
            await asyncio.sleep(LOOK_SECONDS)

    def _await_output(self) -> None:
        """Its last words may still be on their way; who outlives it is not waited for."""
        if self._pump is not None:
            self._pump.join(LAST_WORDS_SECONDS)
            return
        closing = select.poll()
        closing.register(self.stdin, select.POLLRDHUP)
        closing.poll(LAST_WORDS_SECONDS * 1000)

    def _look(self) -> int | None:
        try:
            return self._engine.how_it_runs(self._program)[1]
        except Error:
            return SIGNALLED + signal.SIGKILL  # it went with its container

    def resize(self, size: Size) -> None:
        with contextlib.suppress(Error):
            self._engine.resize(self._program, size.rows, size.columns)

    async def end(self) -> None:
        await asyncio.to_thread(self._end)
        await self.wait()

    def _end(self) -> None:
        with contextlib.suppress(Error, psutil.Error):
            pid, code = self._engine.how_it_runs(self._program)
            if code is None and pid:
                first = psutil.Process(pid)
                for each in (*first.children(recursive=True), first):
                    each.send_signal(signal.SIGHUP)
                    each.kill()


def start(engine: Engine, container: str, command: Command, size: Size | None) -> DockerBeside:
    program, stream = engine.start_beside(
        container, command.argv, command.env, str(command.cwd), tty=size is not None
    )
    beside = DockerBeside(engine, program, stream, tty=size is not None)
    if size is not None:
        beside.resize(size)
    return beside


def _carry(source: int, stream: socket.socket) -> None:
    with os.fdopen(source, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while data := file.read(1 << 16):
            stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
    stream.close()
