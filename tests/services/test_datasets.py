"""Datasets as people push and read them: private ones are not there for others."""

from pathlib import Path

import grpc
import pytest

from nsml_core.gate import POSITION
from nsml_protos import dataset_pb2 as ds
from nsml_protos import session_pb2 as pb
from tests.services.world import ANN, BOB, SCHEDULER, World, refused

Code = grpc.StatusCode


@pytest.fixture
async def tree(world: World, tmp_path: Path) -> str:
    return await world.stored(tmp_path / "one", "one")


@pytest.fixture
async def other(world: World, tmp_path: Path) -> str:
    return await world.stored(tmp_path / "two", "two")


async def test_revisions_are_counted_and_the_same_is_none(
    world: World, tree: str, other: str
) -> None:
    first = await world.push("mnist", tree)
    again = await world.push("mnist", tree)
    second = await world.push("mnist", other)

    assert [(p.revision.number, p.unchanged) for p in (first, again, second)] == [
        (1, False),
        (1, True),
        (2, False),
    ]
    assert (first.revision.files, first.revision.bytes, first.revision.pushed_by) == (1, 3, "ann")


async def test_a_tree_that_is_not_stored_is_no_revision(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await world.push("mnist", "0" * 64)

    async with refused(Code.NOT_FOUND, "no dataset mnist"):
        await world.datasets().Get(ds.DatasetRef(name="mnist"))


async def test_a_private_dataset_is_not_there_for_others(
    world: World, tree: str, other: str
) -> None:
    await world.push("mnist", tree, private=True)
    theirs = world.datasets(BOB)
    for call in (
        theirs.Get(ds.DatasetRef(name="mnist")),
        theirs.Remove(ds.DatasetRef(name="mnist")),
        theirs.Resolve(ds.ResolveRequest(dataset="mnist")),
        theirs.Resolve(ds.ResolveRequest(dataset="mnist@1")),
        theirs.Resolve(ds.ResolveRequest(dataset="mnist", on_behalf_of="ann")),
        theirs.Push(ds.PushRequest(name="mnist", tree=other)),
        world.sessions(BOB).Run(pb.RunRequest(datasets=["mnist"], code_tree="c", entry="m")),
    ):
        async with refused(Code.NOT_FOUND, "There is no dataset mnist"):
            await call
    await world.floors["dataset"].view.see_all()

    assert not (await theirs.List(ds.ListDatasetsRequest(pattern="mnist"))).datasets
    assert len((await world.datasets().List(ds.ListDatasetsRequest())).datasets) == 1


async def test_a_service_resolves_for_whom_it_says(world: World, tree: str) -> None:
    await world.push("mnist", tree, private=True)
    service = world.datasets(SCHEDULER)

    found = await service.Resolve(ds.ResolveRequest(dataset="mnist", on_behalf_of="ann"))

    assert found.revision.tree == tree
    async with refused(Code.NOT_FOUND, "no dataset"):
        await service.Resolve(ds.ResolveRequest(dataset="mnist", on_behalf_of="bob"))
    async with refused(Code.NOT_FOUND, "no dataset"):
        await service.Resolve(ds.ResolveRequest(dataset="mnist"))


async def test_who_takes_a_name_after_its_owner_sees_nothing_of_theirs(
    world: World, tree: str, other: str
) -> None:
    await world.push("mnist", tree, private=True)
    await world.datasets().Remove(ds.DatasetRef(name="mnist"))

    theirs = await world.push("mnist", other, BOB)

    assert (theirs.revision.number, theirs.unchanged) == (2, False)
    assert [kept.tree for kept in theirs.dataset.revisions] == [other]
    async with refused(Code.NOT_FOUND, "no revision 1"):
        await world.datasets(BOB).Resolve(ds.ResolveRequest(dataset="mnist@1"))


async def test_a_session_sees_the_revision_that_it_was_given(
    world: World, tree: str, other: str
) -> None:
    await world.push("mnist", tree)
    await world.push("mnist", other)

    old = await world.run(datasets=["mnist@1"])
    new = await world.run(BOB, datasets=["mnist"])

    assert [(mount.revision, mount.tree) for mount in old.spec.datasets] == [(1, tree)]
    assert [(mount.revision, mount.tree) for mount in new.spec.datasets] == [(2, other)]
    assert (old.name, new.name) == ("ann/mnist/1", "bob/mnist/1")


async def test_what_i_pushed_i_see(world: World, tree: str) -> None:
    for number in range(10):
        call = world.datasets().Push(ds.PushRequest(name=f"d{number}", tree=tree))
        await call
        trailing = await call.trailing_metadata()
        position = next(value for key, value in trailing if key == POSITION)

        listed = await world.datasets(ANN).List(
            ds.ListDatasetsRequest(pattern="d*"), metadata=((POSITION, position),)
        )

        assert len(listed.datasets) == number + 1


async def test_only_its_owner_deletes_a_dataset(world: World, tree: str) -> None:
    await world.push("mnist", tree)
    async with refused(Code.PERMISSION_DENIED, "belongs to ann"):
        await world.datasets(BOB).Remove(ds.DatasetRef(name="mnist"))

    await world.datasets().Remove(ds.DatasetRef(name="mnist"))
    again = await world.datasets().Remove(ds.DatasetRef(name="mnist"))

    assert again.deleted
    async with refused(Code.NOT_FOUND, "no dataset mnist"):
        await world.datasets().Get(ds.DatasetRef(name="mnist"))
