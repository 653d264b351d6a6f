"""How a submission comes to its score: it takes a slot, its runner reports, its session ends."""

from functools import partial

from nsml_core.calls import current
from nsml_core.clients import ask
from nsml_core.errors import NotFound, NotPermitted, Refused, Superseded
from nsml_dataset import board as boards
from nsml_dataset import contestant, ranking
from nsml_dataset.competitions import Competitions
from nsml_dataset.failures import Failures
from nsml_dataset.views import contestants_by, contestants_of
from nsml_protos.board_pb2 import (
    AssignRequest,
    BehindRequest,
    Board,
    Brief,
    EnterRequest,
    ReportRequest,
    Score,
    Submission,
    SubmissionEntered,
)
from nsml_protos.session_pb2 import (
    ALLOCATED,
    RUNNING,
    AttemptRef,
    Purpose,
    Session,
    SessionRef,
)
from nsml_protos.session_pb2_grpc import SessionsStub


class Judging:
    """What the session service and runners ask of boards."""

    def __init__(
        self, competitions: Competitions, sessions: SessionsStub, failures: Failures
    ) -> None:
        self._competitions = competitions
        self._sessions = sessions
        self._failures = failures

    async def enter(self, request: EnterRequest) -> Board:
        """Take a slot for a submission, or only look whether there is one."""
        known = self._competitions
        found = known.find(request.board) if request.board else known.on(request.dataset)
        board = await found
        await known.check_may_read(board, request.owner)
        _check_dataset(board, request)
        if request.owns:
            known.check_is_owned(board, request.owner)
            return board
        if request.rehearsal:
            _check_rehearsal(board)
            return board
        key = contestant.key(board.name, request.owner)
        context = current().context()
        if not request.session:
            state = await known.contestants.get(key)
            contestant.check_open(board, context.time)
            contestant.check_slot(state, board, context.time)
            return board
        entered = SubmissionEntered(
            board=board.name,
            owner=request.owner,
            id=request.id,
            session=request.session,
            origin=request.origin,
        )
        await known.contestants.decide(
            key,
            context,
            lambda state: contestant.enter(state, board, entered, context.time),
        )
        return board

    async def settle(self, board: str, owner: str, submission: str, reason: str) -> None:
        """Free the slot of a submission that ended without a score."""
        await self._competitions.contestants.decide(
            contestant.key(board, owner),
            current().context(),
            lambda state: contestant.failed(state, submission, reason or "It ended."),
        )

    async def behind(self, request: BehindRequest) -> list[str]:
        """Return the boards on which the best score of a session's owner stands on it."""
        owner = request.session.partition("/")[0]
        found = []
        for one in await contestants_by(self._competitions.view, owner):
            board = await self._competitions.states.get(boards.key(one.board))
            best = ranking.best_of(board, one)
            if best is not None and _stands_on(best, request):
                found.append(board.name)
        return found

    async def assign(self, request: AssignRequest) -> Brief:
        """Tell a runner what it is to predict and to judge."""
        session = await self._speaking(request.ref, request.board)
        brief = Brief(board=await self._competitions.states.get(boards.key(request.board)))
        purpose = session.spec.purpose
        if purpose.kind == Purpose.SUBMIT:
            await self._pending(session)
        elif purpose.kind == Purpose.RESCORE:
            brief.again.extend(await self._to_judge_again(brief.board))
        elif purpose.kind == Purpose.REHEARSE:
            for part in ("test", "labels"):
                brief.board.revision.splits.ClearField(part)
        return brief

    async def _to_judge_again(self, board: Board) -> list[Submission]:
        contestants = await contestants_of(self._competitions.view, board.name)
        return [
            each
            for one in contestants
            for each in one.submissions
            if each.stage == Submission.SCORED and each.prediction
        ]

    async def report(self, request: ReportRequest) -> None:
        """Take a score in: of the runner's own submission, or of one that it judged again.

        Or why there is none: what the evaluation printed is for the board's owner.
        """
        session = await self._speaking(request.ref, request.board)
        if request.printed:
            await self._pending(session)
            await self._failures.keep(request.board, session.spec.purpose.id, request.printed)
            return
        board = await self._competitions.states.get(boards.key(request.board))
        splits = board.revision.splits
        score = Score(
            value=request.value,
            private=request.private if request.HasField("private") else None,
            revision=board.revision.number,
            evaluation=splits.evaluation.tree,
            labels=splits.labels.tree,
        )
        if request.revision != board.revision.number:
            raise Refused("The board judges by another revision now: submit again.")
        if session.spec.purpose.kind == Purpose.RESCORE:
            owner = await self._owner_of(board.name, request.id)
            decision = partial(contestant.rescored, submission=request.id, score=score)
        elif session.spec.purpose.kind == Purpose.SUBMIT:
            owner = session.owner
            decision = partial(
                contestant.scored,
                submission=session.spec.purpose.id,
                score=score,
                prediction="" if board.terms.forget_predictions else request.prediction,
                prediction_bytes=request.prediction_bytes,
            )
        else:
            raise NotPermitted(f"{session.name} is not to be scored.")
        key = contestant.key(board.name, owner)
        await self._competitions.contestants.decide(key, current().context(), decision)
        # Whoever sees the session end finds its score in the ranking.
        await self._competitions.view.wait_for(current().position)

    async def _owner_of(self, board: str, submission: str) -> str:
        for one in await contestants_of(self._competitions.view, board):
            if contestant.find(one, submission) is not None:
                return one.owner
        raise NotFound(f"There is no submission {submission[:40]} on {board}.")

    async def _speaking(self, ref: AttemptRef, board: str) -> Session:
        """Return the session whose runner asks, if it is for this board and may still speak."""
        caller = current().caller
        if (caller.name, caller.attempt) != (ref.name, ref.attempt):
            raise NotPermitted(f"This token speaks for {caller}, not for {ref.name}#{ref.attempt}.")
        session = await ask(self._sessions.Get(SessionRef(name=caller.name)))
        if not session.spec.HasField("purpose") or session.spec.purpose.board != board:
            raise NotPermitted(f"{caller.name} is not for the board {board[:40]}.")
        attempt = session.attempts[-1].number if session.attempts else 0
        if attempt != caller.attempt or session.status not in {ALLOCATED, RUNNING}:
            raise Superseded(f"Attempt {caller.attempt} of {caller.name} does not run any more.")
        return session

    async def _pending(self, session: Session) -> None:
        purpose = session.spec.purpose
        key = contestant.key(purpose.board, session.owner)
        found = contestant.find(await self._competitions.contestants.get(key), purpose.id)
        if found is None or found.stage != Submission.PENDING or found.session != session.name:
            raise Superseded(f"The submission of {session.name} has ended.")


def _check_dataset(board: Board, request: EnterRequest) -> None:
    if not request.owns and board.terms.dataset != request.dataset:
        raise Refused(
            f"The board {board.name} is on {board.terms.dataset}, and {request.origin.source} did "
            f"not train on that, but on {request.dataset or 'no dataset'}."
        )


def _check_rehearsal(board: Board) -> None:
    if not board.revision.splits.rehearsal.files:
        raise Refused(
            f"The board {board.name} has no small split to rehearse on: submit without -t."
        )


def _stands_on(best: Submission, request: BehindRequest) -> bool:
    is_source = best.origin.source == request.session
    if request.checkpoint:
        return is_source and best.origin.checkpoint == request.checkpoint
    return is_source or best.session == request.session
