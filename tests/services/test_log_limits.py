"""The log at its limits: an entry that is too large, a message that is lost, a name for many."""

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from nsml_core import follow
from nsml_core.committer import Append
from nsml_core.errors import Invalid
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log
from nsml_identity.state import USER


def append(number: int, size: int = 1) -> Append:
    return Append(f"nsml.test.{number}", b"x" * size, 0, uuid4().hex)


async def test_one_entry_that_is_too_large_hurts_no_other(the_log: Log) -> None:
    for first in (0, 1000):
        appends = [append(first + n, 2 << 20 if n % 40 == 20 else 1) for n in range(200)]

        outcomes = await asyncio.gather(*map(the_log.append, appends), return_exceptions=True)

        large = [outcome for outcome in outcomes if not isinstance(outcome, int)]
        assert len(large) == 5
        assert all(isinstance(outcome, Invalid) for outcome in large)


async def test_a_lost_message_leaves_no_gap(the_log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.gather(*(the_log.append(append(number)) for number in range(50)))
    take = follow._Reader._take
    lost: list[bytes] = []

    def lossy(reader: follow._Reader, subject: bytes, reply: bytes, data: bytes) -> None:
        if not lost and b".7." in reply:
            lost.append(reply)
        else:
            take(reader, subject, reply, data)

    monkeypatch.setattr(follow._Reader, "_take", lossy)
    found: list[int] = []
    async with aclosing(Follower(the_log.client, STREAM, ["nsml.>"]).batches(0)) as batches:
        async for batch in batches:
            found += [record.sequence for record in batch]
            if found[-1] == 50:
                break

    assert lost
    assert found == list(range(1, 51))


@pytest.mark.parametrize(
    "key", ["", "*", ">", "a.b", "a b", "a\n", "/a", "a//b", "a/*/b", "ä", "a/>", "a\0"]
)
def test_the_name_of_an_aggregate_is_the_subject_of_no_other(key: str) -> None:
    with pytest.raises(Invalid, match="is not a name"):
        USER.subject(key)


@pytest.mark.parametrize("key", ["ann", "ann/mnist/3", "a-b_C/9"])
def test_a_subject_names_its_aggregate(key: str) -> None:
    assert USER.key(USER.subject(key)) == key
