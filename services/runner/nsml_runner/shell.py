"""Carries what is typed to a program beside the user's code, and back what it says."""

import asyncio
import os
from collections.abc import Callable

from nsml_protos.session_pb2 import AttachInput, ShellEnded, ShellInput, ShellOutput, ShellStarted
from nsml_runner.attempts import ShellCall
from nsml_runner.sandbox import Beside, Size

READ_BYTES = 32 << 10
END_OF_TRANSMISSION = b"\x04"
"""What a terminal makes an end of input of."""

HANG_UP_SECONDS = 5.0
KILLED = 128
"""Shells add the signal's number to this."""


class Shell:
    """One program and one stream; what neither side takes waits in the program's own buffers."""

    def __init__(self, call: ShellCall, beside: Beside, why_ended: Callable[[], str]) -> None:
        self._call = call
        self._beside = beside
        self._why_ended = why_ended
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._ended = asyncio.Event()
        self._input_is_open = True

    async def run(self) -> None:
        """Return when the program has ended, or when nobody is at the other end any more."""
        for descriptor in {self._beside.stdin, *self._beside.outputs}:
            os.set_blocking(descriptor, False)
        try:
            async with asyncio.TaskGroup() as both:
                typing = both.create_task(self._take_input())
                speaking = both.create_task(self._speak())
                await asyncio.wait({typing, speaking}, return_when=asyncio.FIRST_COMPLETED)
                # What was said last is taken when the other end hangs up.
                await asyncio.wait({typing}, timeout=HANG_UP_SECONDS)
                typing.cancel()
                speaking.cancel()
        finally:
            await self._beside.end()
            self._close_input()
            for descriptor in {*self._beside.outputs} - {self._beside.stdin}:
                os.close(descriptor)
            if self._is_terminal:
                os.close(self._beside.stdin)

    @property
    def _is_terminal(self) -> bool:
        return self._beside.stdin in self._beside.outputs

    async def _speak(self) -> None:
        await self._say(ShellOutput(started=ShellStarted()))
        async with asyncio.TaskGroup() as outputs:
            for number in range(len(self._beside.outputs)):
                outputs.create_task(self._pass_on(number))
            code = await self._beside.wait()
            self._ended.set()
        exit_code = code if code >= 0 else KILLED - code
        ended = ShellEnded(exit_code=exit_code, message=self._why_ended())
        await self._say(ShellOutput(ended=ended))
        await self._call.done_writing()

    async def _pass_on(self, number: int) -> None:
        """Pass on all that is written until the end, but not what may come from who outlives it."""
        descriptor = self._beside.outputs[number]
        while True:
            has_ended = self._ended.is_set()
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                if has_ended:
                    return
                await self._readable(descriptor)
                continue
            except OSError:  # a terminal whose other end is closed
                return
            if not data:
                return
            await self._say(ShellOutput(stderr=data) if number else ShellOutput(stdout=data))

    async def _say(self, output: ShellOutput) -> None:
        async with self._writing:
            await self._call.write(AttachInput(output=output))

    async def _take_input(self) -> None:
        async for word in self._call:
            match word.WhichOneof("input"):
                case "data":
                    await self._write(word.data)
                case "end" if self._is_terminal:
                    await self._write(END_OF_TRANSMISSION)
                case "end":
                    self._close_input()
                case "resized":
                    self._beside.resize(size(word))
                case _:
                    pass  # a word of a newer platform

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and self._input_is_open:
            try:
                rest = rest[os.write(self._beside.stdin, rest) :]
            except BlockingIOError:
                await self._writable(self._beside.stdin)
            except OSError:  # it does not read any more
                self._close_input()

    def _close_input(self) -> None:
        if self._input_is_open and not self._is_terminal:
            os.close(self._beside.stdin)
        self._input_is_open = False

    async def _readable(self, descriptor: int) -> None:
        """Wait until something can be read, or until the program has ended."""
        readable = asyncio.Event()
        self._loop.add_reader(descriptor, readable.set)
        waits = [asyncio.create_task(event.wait()) for event in (readable, self._ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._loop.remove_reader(descriptor)
            for wait in waits:
                wait.cancel()

    async def _writable(self, descriptor: int) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(descriptor, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(descriptor)


def size(word: ShellInput) -> Size:
    return Size(*(min(max(side, 1), 9999) for side in (word.resized.rows, word.resized.columns)))
