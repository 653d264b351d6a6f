"""A home whose log holds a million events, made once for all rows that want it."""

import atexit
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from itertools import islice

import uvloop

from bench import lives
from bench.home import Platform, stopped
from nsml_core import log
from nsml_core.entry import digest, encode
from nsml_core.jetstream import Headers, ask, publish
from nsml_core.log import Log
from nsml_core.settings import Settings, read
from nsml_local import embedded
from nsml_local import home as homes

EVENTS = 1_000_000

_BATCH = 1000

_STACK = ExitStack()
atexit.register(_STACK.close)

Message = tuple[str, bytes, Headers]
"""Subject, bytes and headers of one entry."""


@cache
def platform() -> Platform:
    """Return a platform with such a log, which is up; it goes when we end."""
    found = _STACK.enter_context(stopped())
    ours = replace(found, environment={**found.environment, "NSML_USER": lives.USER})
    fill(ours, EVENTS)
    ours.up()
    return ours


def fill(platform: Platform, events: int) -> None:
    """Write so many events into the log of a platform that has none."""
    embedded.up(platform.home, lambda _: None, services=())
    uvloop.run(_append(connection(platform), events))
    platform.down()


def connection(platform: Platform) -> Settings:
    """Return settings that lead to the servers of a platform."""
    at = homes.find(platform.home)
    assert at is not None  # noqa: S101 - who asks has started it
    urls = {
        "NSML_NATS_URL": at.nats_url,
        "NSML_NATS_MONITOR_URL": at.monitor_url,
        "NSML_POSTGRES_URL": at.postgres_url,
    }
    return read({**platform.environment, **urls})


async def _append(settings: Settings, events: int) -> None:
    async with log.connect(settings, "bench") as connected:
        messages = _chained(events)
        while batch := list(islice(messages, _BATCH)):
            await _commit(connected, batch)


def _chained(events: int) -> Iterator[Message]:
    """Yield entries as a service writes them, each with the hash of its subject's last one."""
    last: dict[str, tuple[int, bytes]] = {}
    for sequence, (subject, context, happened) in enumerate(lives.entries(events), 1):
        expected, previous = last.get(subject, (0, b""))
        data = encode(context, previous, happened)
        last[subject] = (sequence, digest(data))
        headers = {
            "x-request-id": context.request_id,
            "Nats-Msg-Id": context.entry_id,
            "Nats-Expected-Last-Subject-Sequence": str(expected),
        }
        yield subject, data, headers


async def _commit(connected: Log, batch: Sequence[Message]) -> None:
    """Append all of them at once, on disk when this returns; the committer takes no subject twice.

    Of each subject only the first may say what it expects.
    """
    name, known = uuid.uuid4().hex, set()
    for number, (subject, data, headers) in enumerate(batch, 1):
        if subject in known:
            del headers["Nats-Expected-Last-Subject-Sequence"]
        known.add(subject)
        headers |= {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
        if number < len(batch):
            await publish(connected.client, subject, data, headers=headers)
    headers["Nats-Batch-Commit"] = "1"
    answer = json.loads((await ask(connected.client, subject, data, headers=headers)).data)
    if "error" in answer:
        raise RuntimeError(f"the log refused a batch: {answer['error']}")
