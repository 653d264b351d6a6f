"""The log: appends that expect, decisions that are taken again, chains that hold."""

import asyncio
from dataclasses import replace

import pytest

from nsml_core import log
from nsml_core.committer import Conflict
from nsml_core.entry import digest
from nsml_core.errors import Refused
from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_core.store import Store
from nsml_protos.identity_pb2 import Registered, User
from tests.core.examples import PEOPLE, append, context, registers


async def test_a_new_subject_is_taken_by_the_first_to_write(the_log: Log) -> None:
    outcomes = await asyncio.gather(
        *(the_log.append(append("nsml.test.a", 0)) for _ in range(200)), return_exceptions=True
    )

    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 199


async def test_many_writers_share_batches_and_each_learns_its_own_sequence(the_log: Log) -> None:
    appends = [append(f"nsml.test.{number}", 0, str(number).encode()) for number in range(1500)]

    sequences = await asyncio.gather(*(the_log.append(one) for one in appends))

    stored = [await the_log.read(one.subject) for one in appends]
    assert [[record.sequence] for (record,) in stored] == [[number] for number in sequences]
    assert [record.data for (record,) in stored] == [one.data for one in appends]


async def test_one_conflict_in_a_batch_fails_alone(the_log: Log) -> None:
    await the_log.append(append("nsml.test.taken", 0))
    appends = [append("nsml.test.taken", 0), *(append(f"nsml.test.{n}", 0) for n in range(300))]

    outcomes = await asyncio.gather(*map(the_log.append, appends), return_exceptions=True)

    assert isinstance(outcomes[0], Conflict)
    assert all(isinstance(outcome, int) for outcome in outcomes[1:])


async def test_an_append_whose_reply_was_lost_is_recognised_when_it_is_sent_again(
    the_log: Log,
) -> None:
    once = append("nsml.test.a", 0)

    assert await the_log.append(once) == await the_log.append(once)
    assert len(await the_log.read("nsml.test.a")) == 1


async def test_racing_services_decide_again_on_what_the_other_did(the_log: Log) -> None:
    one, other = Store(the_log, PEOPLE), Store(the_log, PEOPLE)

    def count_up(state: User) -> list[Registered]:
        return [Registered(name=str(int(state.name or 0) + 1))]

    await asyncio.gather(
        *(store.decide("ann", context(), count_up) for store in (one, other) for _ in range(50))
    )

    assert (await Store(the_log, PEOPLE).get("ann")).name == "100"


async def test_a_decision_without_events_writes_nothing(the_log: Log) -> None:
    await Store(the_log, PEOPLE).decide("ann", context(), lambda _: [])

    assert await the_log.last_sequence() == 0


async def test_every_entry_carries_the_hash_of_the_one_before(the_log: Log) -> None:
    store = Store(the_log, PEOPLE)
    for number in range(3):
        await store.decide("ann", context(), registers(str(number)))

    entries = [record.decode() for record in await the_log.read("nsml.identity.ann")]
    assert [entry.entry.previous for entry in entries] == [
        b"",
        digest(entries[0].record.data),
        digest(entries[1].record.data),
    ]


async def test_a_long_history_is_read_in_order(the_log: Log) -> None:
    expected = 0
    for number in range(1203):
        expected = await the_log.append(append("nsml.test.long", expected, str(number).encode()))

    found = await the_log.read("nsml.test.long")
    assert [int(record.data) for record in found] == list(range(1203))
    newer = await the_log.read("nsml.test.long", found[1200].sequence)
    assert [int(record.data) for record in newer] == [1201, 1202]


async def test_a_server_that_does_not_sync_is_refused(
    config: Settings, unsafe_nats: tuple[str, str]
) -> None:
    unsafe = replace(config, nats_url=unsafe_nats[0], nats_monitor_url=unsafe_nats[1])

    with pytest.raises(Refused, match="before entries are on disk"):
        async with log.connect(unsafe, "test"):
            pass

    async with log.connect(replace(unsafe, allow_unsafe_log=True), "test") as connected:
        assert await connected.last_sequence() == 0
