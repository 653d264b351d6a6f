"""What happens to a session, as server-sent events: log lines, metric points, its state."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from nsml_client.facts import LIVE
from nsml_core.errors import Error, Unavailable
from nsml_protos.session_pb2 import Session
from nsml_web.sse import event

_AGAIN_SECONDS = 1.0
_BEAT_SECONDS = 15.0
_SOON = b"retry: 1000\n\n"
"""How long browsers wait before they come back."""

_WAITING_MAX = 64
"""Events that a slow reader has not taken; then the services wait, too."""

Render = Callable[[Session], Awaitable[dict[str, str]]]
"""Gives the parts of a page that follow from a session's state, by the id of their element."""


@dataclass
class Watch:
    """One reader of one session."""

    lines: AsyncGenerator[bytes, None]
    points: AsyncGenerator[bytes, None] | None
    """Nothing, like the state, if the session is shown as it was: the past stands still."""

    look: Callable[[], Awaitable[Session]]
    """Tells how the session is; many readers may share the answer."""

    render: Render
    said: Callable[[str], str]
    """Says a sentence in the reader's language."""

    _events: "asyncio.Queue[bytes | None]" = field(
        default_factory=lambda: asyncio.Queue(_WAITING_MAX)
    )

    async def events(self) -> AsyncIterator[bytes]:
        """Yield events until the session has ended and all of it was told."""
        work = asyncio.create_task(self._work())
        try:
            yield _SOON
            while True:
                try:
                    told = await asyncio.wait_for(self._events.get(), _BEAT_SECONDS)
                except TimeoutError:
                    if work.done():
                        work.result()  # what broke breaks this off: the browser comes back
                    yield b": still here\n\n"
                    continue
                if told is None:
                    break
                yield told
            yield event("end", {})
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._put(self.lines))
                if self.points is not None:
                    group.create_task(self._put(self.points))
                    group.create_task(self._put(self._states()))
        except* Error as errors:
            sentence = self.said(_first(errors).sentence)
            await self._events.put(event("refused", {"sentence": sentence}))
        await self._events.put(None)

    async def _put(self, told: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(told):
            async for one in told:
                await self._events.put(one)

    async def _states(self) -> AsyncGenerator[bytes, None]:
        known = None
        while True:
            try:
                one = await self.look()
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            if one != known:
                yield event("state", await self.render(one))
                known = one
            if one.status not in LIVE:
                return
            await asyncio.sleep(_AGAIN_SECONDS)


def _first(errors: BaseExceptionGroup[Error]) -> Error:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
