"""What a competition keeps apart is read by its holder, its judges, and who has it anyway."""

import tempfile
from pathlib import Path

import grpc
import pytest
from blake3 import blake3

from nsml_core import blobs
from nsml_core.caller import Caller
from nsml_protos import blobs_pb2 as bl
from nsml_protos import dataset_pb2 as ds
from nsml_protos.blobs_pb2_grpc import BlobsStub
from tests.services.competition import PARTS, assigned, opened, pushed, stored, submitted, trained
from tests.services.world import ANN, BOB, World, refused

Code = grpc.StatusCode
APART = ("test", "labels", "rehearsal", "rehearsal_labels", "evaluation")


def store(world: World, caller: Caller) -> BlobsStub:
    return BlobsStub(world.channel("dataset", caller))


async def roots(world: World, prefix: str) -> dict[str, str]:
    """The trees of parts that no other test has: who pushed them knows them."""
    parts = {name: {**PARTS[name], "about": f"{prefix} {name}\n"} for name in PARTS}
    await pushed(world, prefix, parts)
    return {name: await stored(world, parts[name]) for name in PARTS}


async def read(world: World, caller: Caller, tree: str) -> bytes:
    asked = bl.BlobIds(ids=bytes.fromhex(tree))
    return b"".join([piece.data async for piece in store(world, caller).Read(asked)])


async def is_refused(world: World, caller: Caller, tree: str) -> None:
    """It is as if it were not there, however somebody asks."""
    asked, as_tree = bl.BlobIds(ids=bytes.fromhex(tree)), bl.TreeRef(id=tree)
    async with refused(Code.NOT_FOUND, "is not in the store"):
        await read(world, caller, tree)
    async with refused(Code.NOT_FOUND, "is not in the store"):
        await store(world, caller).Locate(asked)
    async with refused(Code.NOT_FOUND, "is not in the store"):
        await store(world, caller).Commit(as_tree)
    assert (await store(world, caller).Missing(asked)).ids == asked.ids


@pytest.mark.parametrize("part", APART)
async def test_an_id_alone_reads_nothing_of_a_test_split(world: World, part: str) -> None:
    trees = await roots(world, f"apart-{part[:10]}-{part[-2:]}")
    await is_refused(world, BOB, trees[part])
    source = await trained(world, f"apart-{part[:10]}-{part[-2:]}")
    await is_refused(world, Caller("runner", source, 1), trees[part])
    assert blake3(await read(world, ANN, trees[part])).hexdigest() == trees[part]


async def test_the_runner_of_a_submission_reads_it(world: World) -> None:
    await opened(world, "judged")
    name = await submitted(world, await trained(world, "judged"))
    labels = (await assigned(world, name, "judged")).board.revision.splits.labels.tree
    runner = Caller("runner", name, 1)

    assert blake3(await read(world, runner, labels)).hexdigest() == labels
    assert (await store(world, runner).Commit(bl.TreeRef(id=labels))).files == 1


async def test_naming_it_in_a_competition_of_ones_own_makes_it_nobodys(world: World) -> None:
    trees = await roots(world, "theirs")
    mine = await stored(world, {"train_data": "mine\n"})
    splits = ds.Splits(test=ds.SplitPart(tree=trees["labels"]))
    for named in ({"tree": mine, "splits": splits}, {"tree": trees["labels"]}):
        async with refused(Code.NOT_FOUND, "is not in the store"):
            await world.datasets(BOB).Push(ds.PushRequest(name="mine", **named))
    await is_refused(world, BOB, trees["labels"])


async def test_what_everybody_reads_cannot_be_hidden(world: World) -> None:
    shown = await stored(world, {"train_data": "for all\n"})
    await world.push("for-all", shown, private=False)
    splits = ds.Splits(test=ds.SplitPart(tree=shown))
    other = await stored(world, {"train_data": "of bob\n"})
    await world.push("of-bob", other, BOB, splits=splits)

    assert blake3(await read(world, Caller("user", "eve"), shown)).hexdigest() == shown


async def test_who_sends_the_same_reads_what_they_sent(world: World) -> None:
    """As two who try the same example: each has its content, and neither is in the other's way."""
    trees = await roots(world, "example")
    address = world.settings.addresses["dataset"]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**PARTS["labels"], "about": "example labels\n"}.items():
            (Path(folder) / name).write_text(content)
        async with blobs.Client(address, world.token(BOB)) as client:
            assert (await client.push(Path(folder))).id == trees["labels"]
            assert [one.path for one in await client.entries(trees["labels"])] == [
                *("about", "test_label")
            ]
    splits = ds.Splits(labels=ds.SplitPart(tree=trees["labels"]))
    await world.push("example-2", await stored(world, {"x": "x"}), BOB, splits=splits)
    await is_refused(world, Caller("user", "eve"), trees["labels"])
