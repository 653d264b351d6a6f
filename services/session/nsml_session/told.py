"""What runners tell, handed at once to who follows a session, at whichever replica that is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from nsml_core.between import Between
from nsml_protos.session_pb2 import Frame
from nsml_session.live import Hub

_WAITING_MAX = 64
"""Frames that wait for one follower; what it misses it reads in the tables."""

_WORD_BYTES = 512 << 10
"""Of a larger frame replicas are told only that it is in the tables."""

Followed: TypeAlias = "asyncio.Queue[Frame]"


def says(frame: Frame) -> bool:
    """Tell whether a frame has anything but its place."""
    return any(field.name not in {"ref", "number"} for field, _ in frame.ListFields())


class Told:
    """Frames as they come in."""

    def __init__(self, between: Between | None) -> None:
        self._between = between
        self._hub: Hub[Frame] = Hub(_WAITING_MAX)

    def taken(self, frame: Frame) -> None:
        """Hand on a frame that has come, and is not in the tables yet."""
        if self._between is None:
            self._hub.tell(frame.ref.name, frame)

    async def committed(self, frame: Frame) -> None:
        """Hand on a frame that is in the tables; others would not find what came before it."""
        if self._between is not None:
            word = frame.SerializeToString()
            if len(word) > _WORD_BYTES:
                word = Frame(ref=frame.ref, number=frame.number).SerializeToString()
            await self._between.tell(f"frames.{frame.ref.name}", word)

    @asynccontextmanager
    async def listening(self, name: str) -> AsyncIterator[Followed]:
        """Follow a session for as long as the block runs."""
        with self._hub.listening(name) as queue:
            if self._between is None:
                yield queue
                return

            async def take(word: bytes) -> bytes:
                if not queue.full():
                    queue.put_nowait(Frame.FromString(word))
                return b""

            async with self._between.listening(f"frames.{name}", take):
                yield queue
