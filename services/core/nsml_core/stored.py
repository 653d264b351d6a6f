"""The entries that a log's store still gives out, read to its end, however damaged it is."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from nsml_core.connection import Connection
from nsml_core.entry import Record
from nsml_core.errors import NotFound
from nsml_core.follow import Follower
from nsml_core.jetstream import api, ask
from nsml_core.log import STREAM, SUBJECTS

_SILENCE_SECONDS = 20.0
"""A damaged store can promise messages that it then never delivers."""


async def state(client: Connection) -> dict[str, Any] | None:
    """Return what the server knows of the stream; None if there is no stream."""
    try:
        found: dict[str, Any] = (await api(client, f"STREAM.INFO.{STREAM}"))["state"]
    except NotFound:
        return None
    return found


async def records(client: Connection, until: int = 0) -> AsyncIterator[Record]:
    """Yield the entries that the stream still has, in order; with `until`, none after that."""
    known = await state(client)
    left = known["messages"] if known else 0
    last = min(until or known["last_seq"], known["last_seq"]) if known else 0
    follower = Follower(client, STREAM, [SUBJECTS])
    async with contextlib.aclosing(follower.batches(0)) as batches:
        while left > 0:
            try:
                batch = await asyncio.wait_for(anext(batches), _SILENCE_SECONDS)
            except TimeoutError:
                await state(client)  # a server that is away is no damage
                return
            for record in batch:
                if record.sequence <= last:
                    yield record
            left = 0 if batch[-1].sequence >= last else left - len(batch)


async def one(client: Connection, sequence: int) -> Record:
    """Return the entry with this sequence, which is there."""
    reply = await ask(
        client, f"$JS.API.DIRECT.GET.{STREAM}", json.dumps({"seq": sequence}).encode()
    )
    return Record(sequence, (reply.headers or {}).get("Nats-Subject", ""), reply.data)
