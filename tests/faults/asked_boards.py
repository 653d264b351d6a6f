"""One example of every RPC of boards, and of what sessions do for them, as in `asked.py`."""

from nsml_protos import board_pb2 as pb
from nsml_protos import session_pb2 as ss
from tests.faults.asked import Example, just, of
from tests.services import competition
from tests.services.acting import VIC
from tests.services.competition import assigned, opened, pushed, scored, trained
from tests.services.world import ANN, SCHEDULER, World


async def _dataset(world: World, number: int) -> str:
    name = f"race{number}"
    await pushed(world, name)
    return name


async def _board(world: World, number: int) -> str:
    name = f"race{number}"
    await opened(world, name)
    return name


async def _trained(world: World, number: int) -> str:
    return await trained(world, await _board(world, number), ANN)


async def _submitted(world: World, number: int) -> str:
    return await competition.submitted(world, await _trained(world, number), ANN)


async def _on_the_ranking(world: World, number: int) -> str:
    """A board on which somebody else has a score."""
    name = await _board(world, number)
    await scored(world, await trained(world, name, VIC), 0.5, VIC)
    return name


async def _submission(world: World, number: int) -> pb.SettleRequest:
    name = await _submitted(world, number)
    session = await world.sessions().Get(ss.SessionRef(name=name))
    purpose = session.spec.purpose
    return pb.SettleRequest(
        board=purpose.board, owner="ann", id=purpose.id, session=name, reason="It failed."
    )


async def _report(world: World, number: int) -> pb.ReportRequest:
    name = await _submitted(world, number)
    await assigned(world, name, name.split("/")[1])
    return pb.ReportRequest(ref=_ref(name), board=name.split("/")[1], value=0.5, revision=1)


def _ref(name: str) -> ss.AttemptRef:
    return ss.AttemptRef(name=name, attempt=1)


def _named(name: str) -> pb.BoardRef:
    return pb.BoardRef(name=name)


EXAMPLES = (
    Example(
        "Boards/Create",
        of(_dataset, lambda name: pb.CreateBoardRequest(name=name)),
        ("BoardOpened",),
    ),
    Example("Boards/Check", of(_dataset, lambda name: pb.CreateBoardRequest(name=name))),
    Example(
        "Boards/Change",
        of(_board, lambda name: pb.ChangeBoardRequest(name=name, terms=pb.Terms(metric="f1"))),
        ("BoardChanged",),
    ),
    Example(
        "Boards/Freeze", of(_board, lambda name: pb.FreezeRequest(name=name)), ("BoardFrozen",)
    ),
    Example("Boards/Reveal", of(_board, _named), ("BoardRevealed",)),
    Example("Boards/Get", of(_board, _named)),
    Example("Boards/List", just(pb.ListBoardsRequest())),
    Example("Boards/Ranking", of(_board, lambda name: pb.RankingRequest(name=name))),
    Example("Boards/Overall", of(_board, lambda name: pb.OverallRequest(names=[name]))),
    Example("Boards/Submissions", of(_board, lambda name: pb.SubmissionsRequest(name=name))),
    Example(
        "Boards/Cheer",
        of(_on_the_ranking, lambda name: pb.CheerRequest(name=name, owner="vic")),
        ("Cheered",),
    ),
    Example("Boards/Verify", of(_board, _named)),
    Example(
        "Boards/Enter",
        of(
            _board,
            lambda name: pb.EnterRequest(
                board=name, dataset=name, owner="ann", id="1", session=f"ann/{name}/1"
            ),
        ),
        ("SubmissionEntered",),
        caller=SCHEDULER,
    ),
    Example("Boards/Settle", _submission, ("SubmissionFailed",), caller=SCHEDULER),
    Example(
        "Boards/Behind",
        of(_trained, lambda name: pb.BehindRequest(session=name)),
        caller=SCHEDULER,
    ),
    Example(
        "Boards/Assign",
        of(
            _submitted,
            lambda name: pb.AssignRequest(ref=_ref(name), board=name.split("/")[1]),
        ),
        caller=None,
    ),
    Example("Boards/Report", _report, ("SubmissionScored",), caller=None),
    Example(
        "Sessions/Submit",
        of(
            _trained,
            lambda name: ss.SubmitRequest(session=name, checkpoint="5", kind=ss.Purpose.SUBMIT),
        ),
        ("Requested",),
    ),
    Example("Sessions/Judge", of(_board, lambda name: ss.JudgeRequest(board=name)), ("Requested",)),
)
