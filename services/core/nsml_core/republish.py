"""Entries put into an empty log again, each at the sequence that it had.

They are sent in the server's atomic batches, of which each is one sync of the disk: one by one,
a million entries would take minutes.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence

from nats.aio.client import Client

from nsml_core import log_safety
from nsml_core.entry import Record
from nsml_core.errors import Damaged, Refused, Unavailable
from nsml_core.jetstream import Headers, api, ask, publish
from nsml_core.log import STREAM, SUBJECTS
from nsml_protos.log_pb2 import Entry

_BATCH_ENTRIES = 1000  # the server's limit
_BATCH_BYTES = 16 << 20

Progress = Callable[[int], None]
"""Told how many bytes of entries are on disk so far."""


async def republish(
    client: Client, records: AsyncIterator[Record], progress: Progress | None = None
) -> int:
    """Fill an empty log; return the last sequence, up to which all is on disk."""
    await log_safety.ensure_stream(client, STREAM, SUBJECTS)
    if (await api(client, f"STREAM.INFO.{STREAM}"))["state"]["last_seq"]:
        raise Refused("The log to be filled holds entries already: name an empty one.")
    last, done = 0, 0
    async for batch in _batches(records):
        last = await _commit(client, batch)
        done += sum(len(record.data) for record in batch)
        if progress:
            progress(done)
    return last


async def _batches(records: AsyncIterator[Record]) -> AsyncIterator[list[Record]]:
    batch: list[Record] = []
    size, last = 0, 0
    async for record in records:
        if record.sequence != last + 1:
            raise Damaged(f"Entry {last + 1} is missing, so the log cannot be filled.")
        last = record.sequence
        if batch and (len(batch) == _BATCH_ENTRIES or size + len(record.data) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch


async def _commit(client: Client, batch: Sequence[Record]) -> int:
    batch_id = uuid.uuid4().hex
    for number, record in enumerate(batch[:-1], 1):
        headers = _headers(record, batch_id, number)
        await publish(client, record.subject, record.data, headers=headers)
    last = batch[-1]
    headers = _headers(last, batch_id, len(batch)) | {"Nats-Batch-Commit": "1"}
    answer = json.loads((await ask(client, last.subject, last.data, headers=headers)).data)
    if "error" in answer:
        raise Unavailable(f"The log refused entries: {answer['error'].get('description')}.")
    if answer["seq"] != last.sequence:
        raise Unavailable(f"Entry {last.sequence} became {answer['seq']}: somebody else writes.")
    return last.sequence


def _headers(record: Record, batch_id: str, number: int) -> Headers:
    """Return what the entry was sent with when it was new, and its place in the batch."""
    entry = Entry.FromString(record.data)
    own = {"x-request-id": entry.request_id, "traceparent": entry.traceparent}
    return {name: value for name, value in own.items() if value} | {
        "Nats-Msg-Id": entry.id,
        "Nats-Batch-Id": batch_id,
        "Nats-Batch-Sequence": str(number),
    }
