"""Competitions as people see them: slots, scores, rankings, and nothing of what is hidden."""

import grpc
import pytest
from google.protobuf.json_format import MessageToJson

from nsml_core.caller import Caller
from nsml_protos import board_pb2 as pb
from nsml_protos import dataset_pb2 as ds
from nsml_protos import session_pb2 as ss
from nsml_protos.board_pb2 import PRIVATE_SHARE
from tests.services.competition import (
    PARTS,
    assigned,
    boards,
    opened,
    pushed,
    report,
    scored,
    stored,
    submitted,
    trained,
)
from tests.services.world import ANN, BOB, ROOT, SCHEDULER, World, eventually, refused

Code = grpc.StatusCode


async def ranking(
    world: World,
    name: str,
    caller: Caller = BOB,
    share: pb.Share.ValueType = pb.PUBLIC_SHARE,
) -> pb.RankingReply:
    return await boards(world, caller).Ranking(pb.RankingRequest(name=name, share=share))


async def test_what_is_missing_is_said_before_anybody_competes(world: World) -> None:
    tree = await stored(world, {"train_data": "1"})
    await world.push("bare", tree)
    reply = await boards(world).Create(pb.CreateBoardRequest(name="bare"))
    assert "was pushed without -l" in reply.missing[0]

    parts = {**PARTS, "evaluation": {"evaluation.py": "print(\n"}, "labels": {"other": "1"}}
    await pushed(world, "half", {**parts, "loader": {"x.py": ""}})
    reply = await boards(world).Check(pb.CreateBoardRequest(name="half"))
    said = " ".join(reply.missing)
    assert "no data_loader.py" in said
    assert "no PATH/test/test_label" in said
    assert "does not compile" in said
    assert not reply.HasField("board")
    async with refused(Code.NOT_FOUND, "no board half"):
        await boards(world).Get(pb.BoardRef(name="half"))


async def test_the_best_of_each_contestant_is_ranked_ties_by_time(world: World) -> None:
    await opened(world, "digits", successes=5)
    mine, theirs = await trained(world, "digits", ANN), await trained(world, "digits")
    await scored(world, theirs, 0.5)
    await scored(world, mine, 0.9, ANN)
    best = await scored(world, theirs, 0.9)
    await scored(world, theirs, 0.7)

    rows = (await ranking(world, "digits")).standings
    assert [(row.rank, row.owner, row.score, row.count) for row in rows] == [
        (1, "ann", 0.9, 1),
        (2, "bob", 0.9, 3),
    ]
    assert (rows[1].submission, rows[1].source, rows[1].checkpoint) == (best, theirs, "5")
    verified = await boards(world, BOB).Verify(pb.BoardRef(name="digits"))
    assert list(verified.standings) == list(rows)
    assert (verified.entries, verified.submissions, list(verified.problems)) == (8, 4, [])


async def test_one_success_an_hour_and_a_failure_costs_nothing(world: World) -> None:
    await opened(world, "hourly")
    source = await trained(world, "hourly")
    failed = await submitted(world, source)
    async with refused(Code.RESOURCE_EXHAUSTED, f"{failed} is being scored"):
        await submitted(world, source)
    await world.ended(ss.AttemptRef(name=failed, attempt=1), exit_code=1)

    async def is_free() -> bool:
        reply = await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="hourly"))
        return reply.entrants[0].submission.stage == pb.Submission.REJECTED

    await eventually(is_free)
    await scored(world, source, 0.5)
    async with refused(Code.RESOURCE_EXHAUSTED, "Rate limit exceeded: remained time: "):
        await submitted(world, source)
    assert (await ranking(world, "hourly")).standings[0].count == 1


async def test_the_same_request_takes_one_slot_and_makes_one_session(world: World) -> None:
    await opened(world, "twice")
    source = await trained(world, "twice")
    request = ss.SubmitRequest(
        session=source, checkpoint="5", kind=ss.Purpose.SUBMIT, key="the same"
    )
    first = (await world.sessions(BOB).Submit(request)).session
    again = (await world.sessions(BOB).Submit(request)).session
    assert first.name == again.name
    assert first.spec.resources.cpus == 4
    assert first.spec.resources.time_limit_seconds == 3600


async def test_a_checkpoint_from_another_dataset_is_refused(world: World) -> None:
    await opened(world, "right")
    await world.push("wrong", await stored(world, {"x": "x"}))
    source = await trained(world, "wrong")
    async with refused(Code.NOT_FOUND, "no board on wrong"):
        await submitted(world, source)
    async with refused(Code.FAILED_PRECONDITION, "did not train on that, but on wrong"):
        await submitted(world, source, board="right")
    async with refused(Code.NOT_FOUND, "no checkpoint 6"):
        await submitted(world, source, checkpoint="6")
    theirs = await trained(world, "right", ANN)
    async with refused(Code.NOT_FOUND, "no session"):
        await submitted(world, theirs)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_what_is_not_a_number_is_no_score(world: World, value: float) -> None:
    await opened(world, "numbers")
    name = await submitted(world, await trained(world, "numbers"))
    async with refused(Code.INVALID_ARGUMENT, "not a number"):
        await report(world, name, value)
    assert not (await ranking(world, "numbers")).standings


async def test_only_the_runner_of_a_submission_learns_what_is_hidden(world: World) -> None:
    await opened(world, "secret")
    source = await trained(world, "secret")
    name = await submitted(world, source)
    brief = await assigned(world, name, "secret")
    hidden = [part.tree for _, part in brief.board.revision.splits.ListFields()]
    assert len(hidden) == 6
    assert all(hidden)

    shown = [
        await boards(world, BOB).Get(pb.BoardRef(name="secret")),
        await boards(world).Get(pb.BoardRef(name="secret")),
        await ranking(world, "secret", ANN),
        await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="secret")),
        await world.datasets(BOB).Get(ds.DatasetRef(name="secret")),
        await world.datasets(ANN).Get(ds.DatasetRef(name="secret")),
        await world.datasets(BOB).List(ds.ListDatasetsRequest()),
        await world.datasets(BOB).Resolve(ds.ResolveRequest(dataset="secret")),
        await world.sessions(BOB).Get(ss.SessionRef(name=name)),
        await world.sessions(BOB).History(ss.HistoryRequest(name=name)),
        await world.attempts(name).Begin(ss.AttemptRef(name=name, attempt=1)),
    ]
    for reply in shown:
        assert not any(tree in MessageToJson(reply) for tree in hidden)
    other = await trained(world, "secret", ANN)
    async with refused(Code.PERMISSION_DENIED, "is not for the board"):
        await assigned(world, other, "secret")
    async with refused(Code.PERMISSION_DENIED):
        await boards(world, SCHEDULER).Assign(pb.AssignRequest(board="secret"))


async def test_nobody_looks_into_a_scored_run(world: World) -> None:
    await opened(world, "closed")
    source = await trained(world, "closed")
    name = await submitted(world, source)
    for call in (
        world.sessions(BOB).Eval(ss.EvalRequest(name=name, code="1")),
        world.sessions(BOB).Shell(iter([ss.ShellInput(open=ss.ShellOpen(name=name))])).read(),
    ):
        async with refused(Code.PERMISSION_DENIED, "nobody looks in"):
            await call
    await report(world, name, 0.5)
    await world.ended(ss.AttemptRef(name=name, attempt=1))
    async with refused(Code.FAILED_PRECONDITION, "does not train"):
        await world.sessions(BOB).Resume(ss.ResumeRequest(name=name))
    async with refused(Code.FAILED_PRECONDITION, "does not train"):
        await world.sessions(BOB).Fork(ss.ForkRequest(session=name))


async def test_private_scores_are_shown_once_they_are_revealed(world: World) -> None:
    await opened(world, "private", public_share=0.5)
    source = await trained(world, "private")
    await scored(world, source, 0.5, private=0.25)
    mine = pb.SubmissionsRequest(name="private")
    async with refused(Code.FAILED_PRECONDITION, "once its owner reveals it"):
        await ranking(world, "private", BOB, PRIVATE_SHARE)
    known = (await boards(world, BOB).Submissions(mine)).entrants[0].submission.scores[0]
    assert not known.HasField("private")
    assert (await ranking(world, "private", ANN, PRIVATE_SHARE)).standings[0].score == 0.25
    async with refused(Code.PERMISSION_DENIED, "belongs to ann"):
        await boards(world, BOB).Reveal(pb.BoardRef(name="private"))

    await boards(world).Reveal(pb.BoardRef(name="private"))
    assert (await ranking(world, "private", BOB, PRIVATE_SHARE)).standings[0].score == 0.25
    known = (await boards(world, BOB).Submissions(mine)).entrants[0].submission.scores[0]
    assert known.private == 0.25


async def test_a_frozen_board_is_shown_as_it_stood(world: World) -> None:
    await opened(world, "ice", successes=5)
    source = await trained(world, "ice")
    await scored(world, source, 0.5)
    await boards(world).Freeze(pb.FreezeRequest(name="ice"))
    await scored(world, source, 0.9)

    shown = await ranking(world, "ice")
    assert shown.HasField("as_of")
    assert [row.score for row in shown.standings] == [0.5]
    assert [row.score for row in (await ranking(world, "ice", ANN)).standings] == [0.9]
    mine = await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="ice"))
    assert [one.submission.scores[-1].value for one in mine.entrants] == [0.9, 0.5]
    await boards(world).Reveal(pb.BoardRef(name="ice"))
    assert [row.score for row in (await ranking(world, "ice")).standings] == [0.9]


async def test_a_mended_evaluation_judges_again_and_the_old_scores_stay(world: World) -> None:
    await opened(world, "mended")
    source = await trained(world, "mended")
    await scored(world, source, 0.5, prediction="p" * 64)
    mended = {**PARTS, "evaluation": {"evaluation.py": "print(0.6)\n"}}
    await pushed(world, "mended", mended)
    await boards(world).Change(pb.ChangeBoardRequest(name="mended", revision=2))

    async with refused(Code.PERMISSION_DENIED, "belongs to ann"):
        await world.sessions(BOB).Judge(ss.JudgeRequest(board="mended"))
    judge = (await world.sessions(ANN).Judge(ss.JudgeRequest(board="mended"))).session
    await world.started(judge.name)
    brief = await assigned(world, judge.name, "mended")
    (again,) = brief.again
    assert again.prediction == "p" * 64
    for _ in range(2):
        await report(world, judge.name, 0.6, id=again.id, revision=2)

    (row,) = (await ranking(world, "mended")).standings
    assert (row.score, row.scores) == (0.6, 2)
    mine = await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="mended"))
    assert [score.value for score in mine.entrants[0].submission.scores] == [0.5, 0.6]


async def test_what_a_best_score_stands_on_is_not_removed_by_mistake(world: World) -> None:
    await opened(world, "kept", successes=5)
    source = await trained(world, "kept")
    low = await scored(world, source, 0.1)
    best = await scored(world, source, 0.5)
    await world.floors["dataset"].view.see_all()
    sessions = world.sessions(BOB)
    for call in (
        sessions.Remove(ss.RemoveSessionRequest(name=source, force=True)),
        sessions.Remove(ss.RemoveSessionRequest(name=best)),
        sessions.RemoveCheckpoint(ss.RemoveCheckpointRequest(name=source, checkpoint="5")),
    ):
        async with refused(Code.FAILED_PRECONDITION, "behind the best score of bob on kept"):
            await call
    await sessions.Remove(ss.RemoveSessionRequest(name=low))
    await sessions.Remove(ss.RemoveSessionRequest(name=source, scored=True))


async def test_a_private_dataset_has_a_private_board(world: World) -> None:
    await opened(world, "hidden")
    await world.datasets(ANN).Push(
        ds.PushRequest(name="hidden", tree=await stored(world, {"y": "y"}), private=True)
    )
    for call in (
        boards(world, BOB).Get(pb.BoardRef(name="hidden")),
        boards(world, BOB).Ranking(pb.RankingRequest(name="hidden")),
        boards(world, BOB).Verify(pb.BoardRef(name="hidden")),
    ):
        async with refused(Code.NOT_FOUND, "no board hidden"):
            await call
    assert not (await boards(world, BOB).List(pb.ListBoardsRequest(pattern="hidden"))).boards
    assert (await boards(world, ROOT).Get(pb.BoardRef(name="hidden"))).owner == "ann"


async def test_overall_is_by_the_mean_of_the_ranks(world: World) -> None:
    for name in ("one", "two"):
        await opened(world, name)
        await scored(world, await trained(world, name), 0.5)
    await scored(world, await trained(world, "one", ANN), 0.9, ANN)
    reply = await boards(world, BOB).Overall(pb.OverallRequest(names=["one", "two"]))
    assert [(one.rank, one.owner, list(one.ranks)) for one in reply.standings] == [
        (1, "ann", [1, 0]),
        (1, "bob", [2, 1]),
    ]
