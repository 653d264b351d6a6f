"""Words between the replicas of a service, by the log's server: told at once, kept nowhere.

What a word is about stands in the log or in tables all the same: whoever misses one finds it there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nsml_core.connection import Connection
from nsml_core.jetstream import flushed, publish

Take = Callable[[bytes], Awaitable[bytes]]
"""Takes a word, and returns an answer to it."""

_SECONDS = 5.0


class Between:
    """Reaches all replicas of one service, this one among them."""

    def __init__(self, client: Connection, service: str) -> None:
        self._client = client
        self._stem = f"live.{service}"

    async def tell(self, topic: str, word: bytes) -> None:
        """Tell whoever listens; while the server is away nobody does."""
        if self._client.is_connected:
            await publish(self._client, self._subject(topic), word)

    async def ask(self, topic: str, word: bytes, seconds: float = _SECONDS) -> bytes | None:
        """Return the first answer; None if nobody listens, or says anything in time."""
        try:
            reply = await self._client.request(self._subject(topic), word, timeout=seconds)
        except (NatsError, TimeoutError):
            return None
        return bytes(reply.data)

    @asynccontextmanager
    async def listening(self, topic: str, take: Take) -> AsyncIterator[None]:
        """Take the words on a topic, one after the other, from before the block begins."""

        async def receive(message: Msg) -> None:
            answer = await take(message.data)
            if message.reply:
                await publish(self._client, message.reply, answer)

        subscription = await self._client.subscribe(self._subject(topic), cb=receive)
        try:
            await flushed(self._client)
            yield
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()

    def _subject(self, topic: str) -> str:
        return f"{self._stem}.{topic.replace('/', '.')}"
