"""How much an owner keeps in the store: pushes and checkpoints beyond it are refused."""

from pathlib import Path

import grpc

from nsml_protos import scheduler_pb2 as sc
from nsml_protos import session_pb2 as pb
from tests.services.world import ROOT, World, eventually, refused

_KB = 1000


async def test_what_is_beyond_the_quota_is_not_kept(world: World, tmp_path: Path) -> None:
    await world.scheduler(ROOT).SetQuota(sc.Quota(owner="ann", storage_bytes=10 * _KB))
    first = await world.stored(tmp_path / "first", "a" * 6 * _KB)
    second = await world.stored(tmp_path / "second", "b" * 6 * _KB)
    await world.push("mnist", first)

    async def is_counted() -> bool:
        reply = await world.scheduler().GetQuota(sc.QuotaRequest())
        return bool(reply.storage_bytes == 6 * _KB)

    await eventually(is_counted)
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "ann may keep"):
        await world.push("mnist", second)
    assert (await world.push("mnist", first)).unchanged

    name = (await world.run()).name
    ref = await world.started(name)

    async def save(size: int) -> str:
        point = pb.Checkpoint(name=str(size), tree=f"{size:064}", bytes=size)
        request = pb.SaveCheckpointRequest(ref=ref, checkpoint=point)
        return str((await world.attempts(name).SaveCheckpoint(request)).refused)

    assert "ann may keep" in await save(5 * _KB)
    assert not await save(3 * _KB)
    session = await world.sessions().Get(pb.SessionRef(name=name))
    assert [point.name for point in session.checkpoints] == ["3000"]
    assert session.status == pb.RUNNING
