"""The gRPC face of boards."""

from typing import Any

from nsml_core.authority import role_of
from nsml_core.calls import current
from nsml_core.errors import NotPermitted
from nsml_dataset import board as boards
from nsml_dataset import contestant, ranking, seen
from nsml_dataset.competitions import Competitions, head
from nsml_dataset.failures import Failures
from nsml_dataset.judging import Judging
from nsml_dataset.views import contestants_of
from nsml_protos import board_pb2 as pb
from nsml_protos.board_pb2 import Board, Contestant
from nsml_protos.board_pb2_grpc import BoardsServicer

_BOARDS_MAX = 100
_REJECTED = pb.Submission.REJECTED


class Boards(BoardsServicer):
    """Opens boards, ranks, and takes scores in."""

    def __init__(self, competitions: Competitions, judging: Judging, failures: Failures) -> None:
        self._competitions = competitions
        self._judging = judging
        self._failures = failures

    # ---------------------------------------------------------------------------------- for people

    async def Create(self, request: pb.CreateBoardRequest, context: Any) -> pb.CreateBoardReply:
        return await self._open(request, dry=False)

    async def Check(self, request: pb.CreateBoardRequest, context: Any) -> pb.CreateBoardReply:
        return await self._open(request, dry=True)

    async def _open(self, request: pb.CreateBoardRequest, *, dry: bool) -> pb.CreateBoardReply:
        board, found = await self._competitions.open(request, dry=dry)
        shown = seen.board(board) if board is not None else None
        return pb.CreateBoardReply(board=shown, missing=found.missing, advice=found.advice)

    async def Change(self, request: pb.ChangeBoardRequest, context: Any) -> Board:
        terms = request.terms if request.HasField("terms") else None
        return seen.board(await self._competitions.change(request.name, terms, request.revision))

    async def Freeze(self, request: pb.FreezeRequest, context: Any) -> Board:
        await self._competitions.own(request.name)
        after = await self._competitions.states.decide(
            boards.key(request.name),
            current().context(),
            lambda state: boards.freeze(state, thaw=request.thaw),
        )
        return seen.board(after)

    async def Reveal(self, request: pb.BoardRef, context: Any) -> Board:
        await self._competitions.own(request.name)
        after = await self._competitions.states.decide(
            boards.key(request.name), current().context(), boards.reveal
        )
        return seen.board(after)

    async def Get(self, request: pb.BoardRef, context: Any) -> Board:
        return seen.board(await self._competitions.find(request.name))

    async def List(self, request: pb.ListBoardsRequest, context: Any) -> pb.ListBoardsReply:
        found = await self._competitions.find_all(request.pattern)
        return pb.ListBoardsReply(boards=map(seen.board, found))

    async def Ranking(self, request: pb.RankingRequest, context: Any) -> pb.RankingReply:
        board = await self._competitions.find(request.name)
        standings, is_frozen = await self._competitions.ranked(board, request.share)
        as_of = board.frozen if is_frozen else None
        return pb.RankingReply(board=seen.board(board), standings=standings, as_of=as_of)

    async def Overall(self, request: pb.OverallRequest, context: Any) -> pb.OverallReply:
        rankings = []
        for name in request.names[:_BOARDS_MAX]:
            board = await self._competitions.find(name)
            rankings.append((await self._competitions.ranked(board, request.share))[0])
        return pb.OverallReply(standings=ranking.overall(rankings))

    async def Submissions(
        self, request: pb.SubmissionsRequest, context: Any
    ) -> pb.SubmissionsReply:
        board = await self._competitions.find(request.name)
        mine, owns = current().owner, self._competitions.owns(board)
        if request.owner and not role_of(current().caller, request.owner) and not owns:
            raise NotPermitted(f"Only {board.owner} sees what others have submitted.")
        if request.failures and not owns:
            raise NotPermitted(f"Only {board.owner} sees what evaluations printed.")
        found = await contestants_of(self._competitions.view, board.name)
        wanted = request.owner or mine
        entrants = [
            self._entrant(board, one, each, owns=owns)
            for one in found
            if wanted in {"*", one.owner}
            for each in one.submissions
        ]
        entrants.sort(key=lambda one: one.submission.entered.ToNanoseconds(), reverse=True)
        if request.failures:
            entrants = await self._failed(board, entrants)
        reply = pb.SubmissionsReply(entrants=entrants)
        own = next((one for one in found if one.owner == mine), Contestant())
        now = current().context().time
        if wait := contestant.waiting(own, board, now):
            reply.next.FromDatetime((now + wait).replace(tzinfo=None))
        return reply

    async def _failed(self, board: Board, entrants: list[pb.Entrant]) -> list[pb.Entrant]:
        """Return those whose evaluation failed, with what it printed."""
        ids = [one.submission.id for one in entrants if one.submission.stage == _REJECTED]
        printed = await self._failures.printed(board.name, ids)
        failed = [one for one in entrants if one.submission.id in printed]
        for one in failed:
            one.printed = printed[one.submission.id]
        return failed

    def _entrant(
        self, board: Board, one: Contestant, each: pb.Submission, *, owns: bool
    ) -> pb.Entrant:
        best = ranking.best_of(board, one)
        own = role_of(current().caller, one.owner) > 0
        private = owns or board.HasField("revealed")
        return pb.Entrant(
            owner=one.owner,
            submission=seen.submission(each, own=own, private=private),
            is_best=best is not None and best.id == each.id,
        )

    async def Cheer(self, request: pb.CheerRequest, context: Any) -> pb.CheerReply:
        board = await self._competitions.find(request.name)
        after = await self._competitions.cheer(board, request.owner, withdraw=request.withdraw)
        by = current().caller.name
        return pb.CheerReply(cheers=len(after.cheers), cheered=by in after.cheers)

    async def Verify(self, request: pb.BoardRef, context: Any) -> pb.VerifyReply:
        board = await self._competitions.find(request.name)
        await self._competitions.view.see_all()
        entries, contestants, problems = await self._competitions.verify(board)
        ranked = ranking.standings(board, contestants, pb.PUBLIC_SHARE)
        return pb.VerifyReply(
            entries=len(entries),
            submissions=sum(len(one.submissions) for one in contestants),
            standings=ranking.cheered(ranked, contestants, current().caller.name),
            problems=problems,
            head=head(entries),
        )

    # ------------------------------------------------------------------- for services and runners

    async def Enter(self, request: pb.EnterRequest, context: Any) -> Board:
        board = await self._judging.enter(request)
        return board if request.owns else seen.board(board)

    async def Settle(self, request: pb.SettleRequest, context: Any) -> pb.SettleReply:
        await self._judging.settle(request.board, request.owner, request.id, request.reason)
        return pb.SettleReply()

    async def Behind(self, request: pb.BehindRequest, context: Any) -> pb.BehindReply:
        return pb.BehindReply(boards=await self._judging.behind(request))

    async def Assign(self, request: pb.AssignRequest, context: Any) -> pb.Brief:
        return await self._judging.assign(request)

    async def Report(self, request: pb.ReportRequest, context: Any) -> pb.ReportReply:
        await self._judging.report(request)
        return pb.ReportReply()
