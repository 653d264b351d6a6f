"""A competition for tests: its data in parts, as `nsml dataset push -l` stores them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

from nsml_core import blobs
from nsml_core.caller import Caller
from nsml_protos import board_pb2 as pb
from nsml_protos import dataset_pb2 as ds
from nsml_protos import session_pb2 as ss
from nsml_protos.board_pb2_grpc import BoardsStub
from tests.services.world import ANN, BOB, World

EVALUATION = "print(0.5)\n"
PARTS: Mapping[str, Mapping[str, str]] = {
    "loader": {"data_loader.py": "def feed_infer(output_file, infer_func): ...\n"},
    "test": {"test_data": "1\n2\n"},
    "labels": {"test_label": "1\n0\n"},
    "rehearsal": {"test_data": "3\n"},
    "rehearsal_labels": {"test_label": "1\n"},
    "evaluation": {"evaluation.py": EVALUATION},
}


def boards(world: World, caller: Caller | None = ANN) -> BoardsStub:
    return BoardsStub(world.channel("dataset", caller))


def runner(world: World, session: str, attempt: int = 1) -> BoardsStub:
    return boards(world, Caller("runner", session, attempt))


async def stored(world: World, files: Mapping[str, str]) -> str:
    """Store a folder of these files, and return its tree."""
    address, where = world.settings.addresses["dataset"], world.settings.blobs_url
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            (Path(folder) / path).write_text(content)
        async with blobs.Client(address, world.token(ANN), where) as client:
            return (await client.push(Path(folder))).id


async def pushed(
    world: World, name: str, parts: Mapping[str, Mapping[str, str]] = PARTS, data: str = "train"
) -> ds.PushReply:
    """Push a dataset that carries a competition."""
    trees = {part: ds.SplitPart(tree=await stored(world, parts[part])) for part in parts}
    tree = await stored(world, {"train_data": f"{data} {name}\n"})
    return await world.push(name, tree, splits=ds.Splits(**trees), private=False)


async def opened(world: World, name: str, **terms: Any) -> pb.Board:
    """Open a board on a dataset of its name."""
    await pushed(world, name)
    request = pb.CreateBoardRequest(name=name, terms=pb.Terms(**terms))
    reply = await boards(world).Create(request)
    assert not list(reply.missing), reply
    return reply.board


async def trained(world: World, dataset: str, caller: Caller = BOB, **named: Any) -> str:
    """A session that has trained on a dataset, and saved checkpoint 5."""
    name = (await world.run(caller, datasets=[dataset], key=token_hex(8), **named)).name
    ref = await world.started(name)
    point = ss.Checkpoint(name="5", tree="t" * 64)
    saved = ss.SaveCheckpointRequest(ref=ref, checkpoint=point)
    await world.attempts(name).SaveCheckpoint(saved)
    await world.ended(ref)
    return name


async def submitted(world: World, source: str, caller: Caller = BOB, **named: Any) -> str:
    """A submission that runs."""
    request = ss.SubmitRequest(
        **{
            "session": source,
            "checkpoint": "5",
            "kind": ss.Purpose.SUBMIT,
            "key": token_hex(8),
            **named,
        }
    )
    name = str((await world.sessions(caller).Submit(request)).session.name)
    await world.started(name)
    return name


async def scored(
    world: World, source: str, value: float, caller: Caller = BOB, **named: Any
) -> str:
    """A submission that has its score, and has ended."""
    name = await submitted(world, source, caller)
    await report(world, name, value, **named)
    await world.ended(ss.AttemptRef(name=name, attempt=1))
    return name


async def report(world: World, session: str, value: float, **named: Any) -> None:
    board = session.split("/")[1]
    ref = ss.AttemptRef(name=session, attempt=1)
    request = pb.ReportRequest(ref=ref, board=board, value=value, **{"revision": 1, **named})
    await runner(world, session).Report(request)


async def assigned(world: World, session: str, board: str) -> pb.Brief:
    ref = ss.AttemptRef(name=session, attempt=1)
    return await runner(world, session).Assign(pb.AssignRequest(ref=ref, board=board))
