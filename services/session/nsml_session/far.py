"""A shell whose two ends are at two replicas: one has the person, the other the runner.

Each word waits until it is taken, so that a slow end slows the other down. Each end looks whether
the other is there: of one that is gone nothing would be heard.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nsml_core.between import Between
from nsml_core.errors import Refused
from nsml_protos.session_pb2 import AttachTo, ShellInput, ShellOutput
from nsml_session.channel import Channel, fill

_LOOK_SECONDS = 2.0
_SILENT_SECONDS = 30.0
_LONG_SECONDS = 86_400.0
_TAKEN = b"taken"
_END = b""
"""The word of an end that says no more: no other word is empty."""


@dataclass(frozen=True)
class _End:
    """One end: what the other says comes in, what is said here goes out."""

    between: Between
    mine: str
    other: str
    parse: Callable[[bytes], Any]
    incoming: Channel[Any]
    outgoing: Channel[Any]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be there for as long as the block runs."""
        listening = self.between.listening
        async with listening(self.mine, self._take), listening(_alive(self.mine), _yes):
            yield

    async def _take(self, word: bytes) -> bytes:
        if word == _END:
            await self.incoming.close()
            return _TAKEN
        return _TAKEN if await self.incoming.put(self.parse(word)) else b""

    async def run(self) -> None:
        """Say what there is to say, until one of the two says no more, or is gone."""
        both = [asyncio.create_task(self._say()), asyncio.create_task(self._look())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await self.incoming.close()

    async def _say(self) -> None:
        async for word in self.outgoing:
            taken = await self.between.ask(self.other, word.SerializeToString(), _LONG_SECONDS)
            if taken != _TAKEN:
                return
        await self.between.tell(self.other, _END)

    async def _look(self) -> None:
        there: bytes | None = b""
        while there is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            there = await self.between.ask(_alive(self.other), b"", _SILENT_SECONDS)


@asynccontextmanager
async def open_to(
    between: Between,
    to: AttachTo,
    inputs: Channel[ShellInput],
    outputs: Channel[ShellOutput],
    attached: asyncio.Event,
) -> AsyncIterator[None]:
    """Let a runner at another replica join the person here, for as long as the block runs."""
    parse = ShellOutput.FromString
    end = _End(between, _outputs(to.id), _inputs(to.id), parse, outputs, inputs)
    running: list[asyncio.Task[None]] = []

    async def join(word: bytes) -> bytes:
        if attached.is_set() or AttachTo.FromString(word) != to:
            return b""
        attached.set()
        running.append(asyncio.create_task(end.run()))
        return _TAKEN

    async with end.listening(), between.listening(_joins(to.id), join):
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await between.tell(_inputs(to.id), _END)


async def attach(
    between: Between, to: AttachTo, outputs: AsyncIterator[ShellOutput]
) -> AsyncIterator[ShellInput]:
    """Join the runner here with the person at another replica; yield what is typed there."""
    inputs: Channel[ShellInput] = Channel(1)
    said: Channel[ShellOutput] = Channel(1)
    parse = ShellInput.FromString
    end = _End(between, _inputs(to.id), _outputs(to.id), parse, inputs, said)
    async with end.listening():
        if await between.ask(_joins(to.id), to.SerializeToString()) != _TAKEN:
            raise Refused("Nobody waits at the other end any more.")
        works = [asyncio.create_task(fill(said, outputs)), asyncio.create_task(end.run())]
        try:
            async for word in inputs:
                yield word
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


async def _yes(_: bytes) -> bytes:
    return b"yes"


def _joins(name: str) -> str:
    return f"shell.{name}.join"


def _inputs(name: str) -> str:
    return f"shell.{name}.in"


def _outputs(name: str) -> str:
    return f"shell.{name}.out"


def _alive(topic: str) -> str:
    return f"{topic}.alive"
