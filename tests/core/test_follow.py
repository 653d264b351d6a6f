"""Following the log: everything of the subjects asked for, in order, however it is looked for."""

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from nsml_core.committer import Append
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log

_MANY = 1200
"""More than a reader has the server look for."""


async def write(the_log: Log, service: str, entries: int) -> None:
    appends = (
        Append(f"nsml.{service}.{number}", b"x", 0, uuid4().hex) for number in range(entries)
    )
    await asyncio.gather(*map(the_log.append, appends))


async def read(the_log: Log, *subjects: str, after: int = 0, entries: int) -> list[str]:
    """The first so many subjects that a reader is handed, whose sequences rise."""
    names: list[str] = []
    sequences = [after]
    follower = Follower(the_log.client, STREAM, subjects)
    async with aclosing(follower.batches(after)) as batches:
        async for batch in batches:
            names += [record.subject for record in batch]
            sequences += [record.sequence for record in batch]
            if len(names) >= entries:
                break
    assert sequences == sorted(set(sequences))
    return names


@pytest.mark.parametrize(
    "subjects", [("nsml.many.>",), ("nsml.few.>",), ("nsml.few.>", "nsml.many.>")]
)
async def test_all_of_what_is_asked_for_is_read_and_nothing_else(
    the_log: Log, subjects: tuple[str, ...]
) -> None:
    await asyncio.gather(*(write(the_log, name, 20) for name in ("few", "other")))
    await write(the_log, "many", _MANY)
    wanted = {"nsml.many.>": _MANY, "nsml.few.>": 20}
    expected = [
        f"{subject.removesuffix('>')}{number}"
        for subject in subjects
        for number in range(wanted[subject])
    ]

    names = await read(the_log, *subjects, entries=len(expected))

    assert sorted(names) == sorted(expected)


async def test_what_comes_after_a_long_past_is_read_too(the_log: Log) -> None:
    await write(the_log, "many", _MANY)
    reading = asyncio.create_task(read(the_log, "nsml.many.>", entries=_MANY + 1))
    await write(the_log, "other", 5)
    await the_log.append(Append("nsml.many.last", b"x", 0, uuid4().hex))

    assert (await reading)[-1] == "nsml.many.last"


async def test_a_reader_goes_on_behind_an_entry(the_log: Log) -> None:
    await write(the_log, "one", 3)
    await write(the_log, "other", 3)
    await the_log.append(Append("nsml.one.last", b"x", 0, uuid4().hex))

    assert await read(the_log, "nsml.one.>", after=3, entries=1) == ["nsml.one.last"]
