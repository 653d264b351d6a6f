"""How a session comes into the queue that puts a checkpoint to use, or judges for a board."""

from functools import partial

from nsml_core.calls import request_key
from nsml_core.clients import Clients, ask
from nsml_protos.board_pb2 import BehindRequest, Board, EnterRequest, SettleRequest
from nsml_protos.board_pb2_grpc import BoardsStub
from nsml_protos.session_pb2 import (
    JudgeRequest,
    Parent,
    Purpose,
    Requested,
    Session,
    SubmitRequest,
)
from nsml_session import checkpoints, purposes
from nsml_session.admission import Admission
from nsml_session.intake import Intake


class Using:
    """Asks the board for a slot under the very name that the session is taken in by."""

    def __init__(self, intake: Intake, admission: Admission, clients: Clients) -> None:
        self.intake = intake
        self._admission = admission
        self._boards = BoardsStub(clients.channel("dataset"))

    async def submit(
        self, request: SubmitRequest, source: Session, moment: Parent, owner: str
    ) -> Session:
        """Take in a session that is scored on a board, rehearses that, or answers questions."""
        purposes.check_kind(request)
        key = request_key(request.key)

        async def take() -> Session:
            purposes.check_source(source)
            point = checkpoints.find(source, request.checkpoint)
            asked = purposes.asked(request, source, point, owner, moment.sequence)
            board = await self._look(request, asked)
            spec = purposes.spec_of_use(source, request, point, board)
            spec.purpose.id = asked.id = key
            await self._admission.check(spec.resources, owner, spec.priority)
            moment.checkpoint = point.name
            requested = Requested(
                owner=owner, spec=spec, request_key=key, parent=moment, start=point
            )
            claim = partial(self._claim, asked, board) if board is not None else None
            return await self.intake.take(requested, claim)

        return await self.intake.once(owner, key, take, is_chosen=bool(request.key))

    async def _look(self, request: SubmitRequest, asked: EnterRequest) -> Board | None:
        """Return the board, if there is room on it; what asks questions needs none."""
        if request.kind not in purposes.BOARD_KINDS:
            return None
        board: Board = await ask(self._boards.Enter(asked))
        return board

    async def _claim(self, asked: EnterRequest, board: Board, name: str) -> None:
        """Take the slot for a session of this name; the same submission has it already."""
        if asked.rehearsal:
            return
        claimed = EnterRequest()
        claimed.CopyFrom(asked)
        claimed.board, claimed.session = board.name, name
        await ask(self._boards.Enter(claimed))

    async def judge(self, request: JudgeRequest, owner: str) -> Session:
        """Take in a session that judges for the board's owner."""
        key = request_key(request.key)

        async def take() -> Session:
            asked = EnterRequest(board=request.board, owner=owner, owns=True)
            spec = purposes.spec_of_judge(request, await ask(self._boards.Enter(asked)))
            await self._admission.check(spec.resources, owner, spec.priority)
            return await self.intake.take(Requested(owner=owner, spec=spec, request_key=key))

        return await self.intake.once(owner, key, take, is_chosen=bool(request.key))

    async def boards_on(self, state: Session, checkpoint: str = "") -> list[str]:
        """Return the boards whose best score of its owner stands on a session."""
        if not state.checkpoints and not purposes.is_hidden(state.spec):
            return []
        behind = BehindRequest(session=state.name, checkpoint=checkpoint)
        return list((await ask(self._boards.Behind(behind))).boards)

    async def settle(self, state: Session) -> None:
        """Tell the board that the session of a submission has ended."""
        purpose = state.spec.purpose
        if purpose.kind != Purpose.SUBMIT:
            return
        settled = SettleRequest(
            board=purpose.board,
            owner=state.owner,
            id=purpose.id,
            session=state.name,
            reason=state.reason or "It ended without a score.",
        )
        await ask(self._boards.Settle(settled))
