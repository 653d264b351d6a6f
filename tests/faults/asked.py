"""One example of every RPC of the platform: what must be there before, what it asks and changes."""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsml_core.blobs import pack
from nsml_core.blobs.chunk import blob_id
from nsml_core.caller import Caller
from nsml_protos import blobs_pb2 as bl
from nsml_protos import care_pb2 as care
from nsml_protos import dataset_pb2 as ds
from nsml_protos import ledger_pb2 as lg
from nsml_protos import session_pb2 as pb
from tests.services.link import said
from tests.services.world import ANN, ROOT, SCHEDULER, World, hold, request

Prepare = Callable[[World, int], Awaitable[Any]]
"""Makes ready what a call needs, under a number of its own, and returns what it asks."""


@dataclass(frozen=True)
class Example:
    """One call of an RPC."""

    method: str
    prepare: Prepare
    events: tuple[str, ...] = ()
    """What the call adds to the log, once, however often it is made."""

    caller: Caller | None = ANN
    """None: the runner of the session that is asked about."""

    packs: int = 0
    """What it adds to the store of blobs."""


def just(asked: Any) -> Prepare:
    async def prepare(_world: World, _number: int) -> Any:
        return asked

    return prepare


def _with_book(asked: Any) -> Prepare:
    async def prepare(world: World, _number: int) -> Any:
        await world.ledger().Balance(lg.BalanceRequest())
        return asked

    return prepare


async def _tree(world: World, number: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return await world.stored(Path(folder) / "data", f"content {number}")


async def _dataset(world: World, number: int) -> str:
    await world.push(f"data{number}", await _tree(world, number))
    return f"data{number}"


async def _queued(world: World, _: int) -> str:
    return (await world.run()).name


async def _placed(world: World, number: int) -> str:
    name = await _queued(world, number)
    await world.placed(name)
    return name


async def _first_of_two(world: World, _: int) -> pb.MeetRequest:
    name = (await world.run(resources=pb.Resources(nodes=2))).name
    members = [pb.GangMember(node="here"), pb.GangMember(rank=1, node="there")]
    await world.placements().Place(pb.PlaceRequest(name=name, attempt=1, members=members))
    return pb.MeetRequest(ref=_ref(name))


async def _running(world: World, number: int) -> str:
    return (await world.started(await _queued(world, number))).name


async def _saved(world: World, number: int) -> str:
    name = await _running(world, number)
    ref = pb.AttemptRef(name=name, attempt=1)
    saved = pb.SaveCheckpointRequest(ref=ref, checkpoint=pb.Checkpoint(name="5", tree="t" * 64))
    await world.attempts(name).SaveCheckpoint(saved)
    return name


async def _ended(world: World, number: int) -> str:
    name = await _saved(world, number)
    await world.ended(pb.AttemptRef(name=name, attempt=1))
    return name


async def _held(world: World, number: int) -> str:
    name = await _queued(world, number)
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    return name


def of(before: Callable[[World, int], Awaitable[str]], make: Callable[[str], Any]) -> Prepare:
    """Return what asks about the thing that was made ready."""

    async def prepare(world: World, number: int) -> Any:
        return make(await before(world, number))

    return prepare


def _ref(name: str) -> pb.AttemptRef:
    return pb.AttemptRef(name=name, attempt=1)


def _pack(number: int) -> tuple[str, bytes]:
    content = b"blob %d" % number
    name, footer = pack.seal([blob_id(content)], [len(content)])
    return name, content + footer


async def _pieces(_world: World, number: int) -> list[bl.Piece]:
    content = _pack(number)[1]
    return [bl.Piece(data=content[:10]), bl.Piece(data=content[10:])]


async def _came_in(world: World, number: int) -> bl.AdoptPackRequest:
    name, content = _pack(number)
    incoming = world.settings.home / "blobs" / "incoming" / f"{number:032x}"
    incoming.write_bytes(content)
    return bl.AdoptPackRequest(name=incoming.name, pack=name)


async def _stored_ids(world: World, number: int) -> bl.BlobIds:
    return bl.BlobIds(ids=bytes.fromhex(await _tree(world, number)))


async def _frames(world: World, number: int) -> list[pb.Frame]:
    ref = _ref(await _running(world, number))
    return [said(ref, at, b"%d\n" % at) for at in (1, 2)]


EXAMPLES = (
    Example("Blobs/Probe", just(bl.ProbeRequest(name="0" * 32))),
    Example("Blobs/Missing", just(bl.BlobIds(ids=bytes(32)))),
    Example("Blobs/PutPack", _pieces, packs=1),
    Example("Blobs/AdoptPack", _came_in, packs=1),
    Example("Blobs/Read", _stored_ids),
    Example("Blobs/Locate", _stored_ids),
    Example("Blobs/Commit", of(_tree, lambda tree: bl.TreeRef(id=tree))),
    Example("Care/VerifyLog", just(care.VerifyLogRequest()), caller=ROOT),
    Example("Care/RebuildView", just(care.RebuildViewRequest(check=True)), caller=ROOT),
    Example("Care/Trail", just(care.TrailRequest()), caller=ROOT),
    Example(
        "Datasets/Push",
        of(_tree, lambda tree: ds.PushRequest(name=f"new{tree[:8]}", tree=tree)),
        ("Created", "Pushed"),
    ),
    Example("Datasets/List", just(ds.ListDatasetsRequest())),
    Example("Datasets/Get", of(_dataset, lambda name: ds.DatasetRef(name=name))),
    Example(
        "Datasets/Resolve",
        of(_dataset, lambda name: ds.ResolveRequest(dataset=name, on_behalf_of="ann")),
    ),
    Example("Datasets/Remove", of(_dataset, lambda name: ds.DatasetRef(name=name)), ("Deleted",)),
    Example("Ledger/Balance", _with_book(lg.BalanceRequest())),
    Example("Ledger/Statement", just(lg.StatementRequest())),
    Example(
        "Ledger/Grant", just(lg.GrantRequest(owner="ann", amount=7)), ("Granted",), caller=ROOT
    ),
    Example(
        "Ledger/SetAllowance",
        just(lg.SetAllowanceRequest(owner="bob", amount=5, period=lg.MONTH)),
        ("AllowanceSet", "Granted"),
        caller=ROOT,
    ),
    Example("Ledger/Audit", just(lg.AuditRequest()), caller=ROOT),
    Example("Ledger/Afford", just(lg.AffordRequest(owner="ann", gpus=1)), caller=SCHEDULER),
    Example("Ledger/PlaceHold", of(_queued, hold), ("Held",), caller=SCHEDULER),
    Example(
        "Ledger/CancelHold",
        of(_held, lambda name: lg.CancelHoldRequest(owner="ann", session=name, attempt=1)),
        ("Released",),
        caller=SCHEDULER,
    ),
    Example("Sessions/Run", just(request()), ("Requested",)),
    Example("Sessions/Resume", of(_ended, lambda name: pb.ResumeRequest(name=name)), ("Resumed",)),
    Example("Sessions/Fork", of(_ended, lambda name: pb.ForkRequest(session=name)), ("Requested",)),
    Example("Sessions/Get", of(_queued, lambda name: pb.SessionRef(name=name))),
    Example("Sessions/List", just(pb.ListSessionsRequest())),
    Example(
        "Sessions/Stop",
        of(_queued, lambda name: pb.StopRequest(name=name)),
        ("StopRequested", "Stopped"),
    ),
    Example(
        "Sessions/Remove",
        of(_ended, lambda name: pb.RemoveSessionRequest(name=name)),
        ("Removed",),
    ),
    Example(
        "Sessions/SetMemo",
        of(_queued, lambda name: pb.SetMemoRequest(name=name, memo="words")),
        ("MemoChanged",),
    ),
    Example(
        "Sessions/RemoveCheckpoint",
        of(_ended, lambda name: pb.RemoveCheckpointRequest(name=name, checkpoint="5")),
        ("CheckpointRemoved",),
    ),
    Example("Sessions/History", of(_ended, lambda name: pb.HistoryRequest(name=name))),
    Example("Sessions/Family", of(_queued, lambda name: pb.SessionRef(name=name))),
    Example("Sessions/Logs", of(_ended, lambda name: pb.LogsRequest(name=name))),
    Example("Sessions/Metrics", of(_ended, lambda name: pb.MetricsRequest(name=name))),
    Example("Sessions/WatchMetrics", of(_ended, lambda name: pb.MetricsRequest(name=name))),
    Example("Sessions/Usage", of(_running, lambda name: pb.UsageRequest(names=[name]))),
    Example("Sessions/UsageHistory", of(_ended, lambda name: pb.UsageHistoryRequest(name=name))),
    # Without a runner nobody can be reached, and nothing is written down.
    Example("Sessions/Eval", of(_running, lambda name: pb.EvalRequest(name=name, code="1"))),
    Example(
        "Sessions/Shell",
        of(_running, lambda name: [pb.ShellInput(open=pb.ShellOpen(name=name))]),
    ),
    Example("Sessions/Records", of(_ended, lambda name: pb.RecordsRequest(name=name))),
    Example(
        "Placements/Place",
        of(_queued, lambda name: pb.PlaceRequest(name=name, attempt=1, node="here")),
        ("Placed",),
        caller=SCHEDULER,
    ),
    Example(
        "Placements/Wait",
        of(_queued, lambda name: pb.WaitRequest(name=name, reason="no room")),
        ("Waiting",),
        caller=SCHEDULER,
    ),
    Example(
        "Placements/Preempt",
        of(_running, lambda name: pb.PreemptRequest(name=name, attempt=1, reason="for bob")),
        ("StopRequested",),
        caller=SCHEDULER,
    ),
    Example(
        "Placements/Lose",
        of(_running, lambda name: pb.LoseRequest(name=name, attempt=1, reason="it died")),
        ("Lost",),
        caller=SCHEDULER,
    ),
    Example("Attempts/Begin", of(_placed, _ref), caller=None),
    Example(
        "Attempts/Start",
        of(_placed, lambda name: pb.StartRequest(ref=_ref(name), environment="e")),
        ("Started",),
        caller=None,
    ),
    Example("Attempts/Meet", _first_of_two, ("MemberReady",), caller=None),
    Example("Attempts/Link", _frames, caller=None),
    Example(
        "Attempts/SaveCheckpoint",
        of(
            _running,
            lambda name: pb.SaveCheckpointRequest(
                ref=_ref(name), checkpoint=pb.Checkpoint(name="7", tree="t" * 64)
            ),
        ),
        ("CheckpointSaved",),
        caller=None,
    ),
    Example(
        "Attempts/Answer",
        of(_running, lambda name: pb.AnswerRequest(ref=_ref(name), id="nobody's")),
        caller=None,
    ),
    Example(
        "Attempts/Attach",
        of(_running, lambda name: [pb.AttachInput(to=pb.AttachTo(ref=_ref(name), id="no"))]),
        caller=None,
    ),
    Example(
        "Attempts/FindCheckpoint",
        of(_saved, lambda name: pb.FindCheckpointRequest(ref=_ref(name))),
        caller=None,
    ),
    Example(
        "Attempts/End",
        of(_running, lambda name: pb.EndRequest(ref=_ref(name), outcome=pb.Outcome(exit_code=0))),
        ("Completed",),
        caller=None,
    ),
)
