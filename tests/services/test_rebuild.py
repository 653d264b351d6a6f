"""A view folded anew is the view that was followed live, and the archive is the log."""

import importlib
from contextlib import aclosing
from pathlib import Path

import pytest

from nsml_core import log
from nsml_core.entry import Record, digest
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log
from nsml_core.settings import SERVICES, Settings
from nsml_core.views import Schema, View
from nsml_protos import dataset_pb2 as ds
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import CancelHoldRequest, GrantRequest
from tests.conftest import opened
from tests.services import competition
from tests.services.world import BOB, ROOT, SCHEDULER, World, hold


async def something_of_everything(world: World, folder: Path) -> None:
    """A history in which each kind of event happens, to more than one."""
    one, two = [await world.stored(folder / name, name) for name in ("one", "two")]
    await world.push("mnist", one, private=True)
    await world.push("mnist", two, description="digits", private=False)
    await world.push("gone", one)
    await world.datasets().Remove(ds.DatasetRef(name="gone"))
    await world.push("gone", two, BOB)
    await world.ledger(ROOT).Grant(GrantRequest(owner="ann", amount=5, key="k"))
    sessions = world.sessions()
    names = [(await world.run(datasets=["mnist"], key=f"k{n}")).name for n in range(8)]
    await world.run(BOB, memo="queued")
    for name in names:
        await world.placements().Wait(pb.WaitRequest(name=name, reason="no room"))
    for name in names[:5]:
        await world.ledger(SCHEDULER).PlaceHold(hold(name))
    stopped, lost, failed, completed, allocated, *_ = names
    for name in (lost, failed, completed):
        ref = await world.started(name)
        for checkpoint in ("1", "2", "1"):
            save = pb.SaveCheckpointRequest(ref=ref, checkpoint=pb.Checkpoint(name=checkpoint))
            await world.attempts(name).SaveCheckpoint(save)
    await sessions.Stop(pb.StopRequest(name=stopped))
    await world.placed(allocated)
    await sessions.Stop(pb.StopRequest(name=allocated, reason="enough"))
    await world.placements().Lose(pb.LoseRequest(name=lost, attempt=1, reason="gone"))
    for name, code in ((failed, 1), (completed, 0)):
        await world.ended(pb.AttemptRef(name=name, attempt=1), code)
    await sessions.RemoveCheckpoint(pb.RemoveCheckpointRequest(name=failed, checkpoint="2"))
    await sessions.Resume(pb.ResumeRequest(name=failed))
    await sessions.Fork(pb.ForkRequest(session=completed, checkpoint="2"))
    await sessions.SetMemo(pb.SetMemoRequest(name=lost, memo="again?"))
    await sessions.Remove(pb.RemoveSessionRequest(name=stopped))
    await world.ledger(SCHEDULER).CancelHold(
        CancelHoldRequest(owner="ann", session=allocated, attempt=1)
    )
    await competition.opened(world, "race")
    await competition.scored(world, await competition.trained(world, "race"), 0.5)
    for floor in world.floors.values():
        await floor.view.see_all()


def schema_of(service: str) -> Schema:
    schema: Schema = importlib.import_module(f"nsml_{service}.views").SCHEMA
    return schema


async def rows(view: View) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a view."""
    service = view.schema.service
    tables = await view.pool.fetch(
        "select table_name as name from information_schema.tables where table_schema = $1", service
    )
    return {
        table["name"]: sorted(
            tuple(row) for row in await view.pool.fetch(f"table {service}.{table['name']}")
        )
        for table in tables
    }


async def everything(the_log: Log) -> list[Record]:
    """Every entry of the log."""
    newest = await the_log.last_sequence()
    found: list[Record] = []
    async with aclosing(Follower(the_log.client, STREAM, ["nsml.>"]).batches(0)) as batches:
        async for batch in batches:
            found += batch
            if found[-1].sequence == newest:
                break
    return found


@pytest.fixture
async def past(world: World, tmp_path: Path) -> Settings:
    """Where something of everything has happened, and nothing happens any more."""
    await something_of_everything(world, tmp_path)
    await world.close()
    return world.settings


async def test_every_view_folded_anew_equals_the_live_one(past: Settings) -> None:
    async with log.connect(past, "test") as the_log:
        for service in SERVICES:
            async with opened(past, schema_of(service), the_log) as view:
                live = await rows(view)

                await view.drop()
                assert not any((await rows(view)).values())
                await view.catch_up()

                assert all(live.values()) or service == "scheduler"
                assert await rows(view) == live, service


async def test_the_archives_are_the_log_byte_for_byte(past: Settings) -> None:
    async with log.connect(past, "test") as the_log:
        archived: list[tuple[object, ...]] = []
        for service in SERVICES:
            async with opened(past, schema_of(service), the_log) as view:
                archived += (await rows(view))["archive"]

        expected = [
            (record.sequence, record.subject, digest(record.data), record.data)
            for record in await everything(the_log)
        ]

    assert len(expected) > 50
    assert sorted(archived) == expected


async def test_the_chain_of_every_aggregate_holds(past: Settings) -> None:
    async with log.connect(past, "test") as the_log:
        newest: dict[str, bytes] = {}
        for record in await everything(the_log):
            entry = record.decode()
            assert entry.entry.previous == newest.get(record.subject, b"")
            newest[record.subject] = entry.hash

    assert len(newest) > 10
