"""Boards: competitions on datasets, and what is submitted to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_client import names, trees
from nsml_client.access import new_key
from nsml_client.modes import M, Noun, operation
from nsml_client.session import Session
from nsml_core.errors import NotFound
from nsml_protos import board_pb2, session_pb2
from nsml_protos.board_pb2 import (
    PRIVATE_SHARE,
    PUBLIC_SHARE,
    Board,
    CheerReply,
    CreateBoardReply,
    Entrant,
    OverallStanding,
    RankingReply,
    SubmissionsReply,
    Terms,
    VerifyReply,
)
from nsml_protos.session_pb2 import Purpose

if TYPE_CHECKING:  # it comes with grpcio, and is needed only once content is sent
    from nsml_core.blobs.scan import Found


def _share(private: bool) -> board_pb2.Share.ValueType:  # noqa: FBT001 - the one thing it says
    return PRIVATE_SHARE if private else PUBLIC_SHARE


class Boards(Noun[M]):
    """`client.boards`."""

    @operation
    async def create(self, name: str, terms: Terms, *, key: str = "") -> CreateBoardReply:
        """Open a board on a dataset of yours; the reply says what is missing, if anything is.

        Raises:
            AlreadyExists: There is a board of this name.
            NotPermitted: The dataset is somebody else's.
        """
        request = board_pb2.CreateBoardRequest(name=name, terms=terms, key=key or new_key())
        return await self._calls.call("Boards/Create", request, CreateBoardReply)

    @operation
    async def check(self, name: str, terms: Terms) -> CreateBoardReply:
        """Return what `create` would say, and open nothing."""
        request = board_pb2.CreateBoardRequest(name=name, terms=terms)
        return await self._calls.call("Boards/Check", request, CreateBoardReply)

    @operation
    async def change(self, name: str, *, terms: Terms | None = None, revision: int = 0) -> Board:
        """Agree on other terms, or predict and judge by another revision of the dataset."""
        request = board_pb2.ChangeBoardRequest(name=name, terms=terms, revision=revision)
        return await self._calls.call("Boards/Change", request, Board)

    @operation
    async def freeze(self, name: str, *, thaw: bool = False) -> Board:
        """Show others the ranking as it stands now, or go on again."""
        request = board_pb2.FreezeRequest(name=name, thaw=thaw)
        return await self._calls.call("Boards/Freeze", request, Board)

    @operation
    async def reveal(self, name: str) -> Board:
        """Show the private ranking to everybody."""
        return await self._calls.call("Boards/Reveal", board_pb2.BoardRef(name=name), Board)

    @operation
    async def get(self, name: str) -> Board:
        """Return a board.

        Raises:
            NotFound: There is none that you can see.
        """
        return await self._calls.call("Boards/Get", board_pb2.BoardRef(name=name), Board)

    @operation
    async def ls(self, pattern: str = "") -> list[Board]:
        """Return the boards that you can see: those that match, with * and ?, or all."""
        request = board_pb2.ListBoardsRequest(pattern=pattern)
        reply = await self._calls.call("Boards/List", request, board_pb2.ListBoardsReply)
        return list(reply.boards)

    @operation
    async def ranking(self, name: str, *, private: bool = False) -> RankingReply:
        """Return the best of each contestant, best first.

        Raises:
            Refused: The private ranking is not revealed yet.
        """
        request = board_pb2.RankingRequest(name=name, share=_share(private))
        return await self._calls.call("Boards/Ranking", request, RankingReply)

    @operation
    async def overall(
        self, boards: Sequence[str], *, private: bool = False
    ) -> list[OverallStanding]:
        """Return the ranking over several boards, by the mean of the ranks."""
        request = board_pb2.OverallRequest(names=boards, share=_share(private))
        reply = await self._calls.call("Boards/Overall", request, board_pb2.OverallReply)
        return list(reply.standings)

    @operation
    async def submissions(
        self, name: str, owner: str = "", *, failures: bool = False
    ) -> SubmissionsReply:
        """Return your submissions, newest first; for its owner anybody's, or with `*` all.

        With `failures` those whose evaluation failed, with what it printed, for the board's owner.
        """
        request = board_pb2.SubmissionsRequest(name=name, owner=owner, failures=failures)
        return await self._calls.call("Boards/Submissions", request, SubmissionsReply)

    @operation
    async def submission(self, session: session_pb2.Session) -> Entrant:
        """Return what came of a session that was submitted.

        Raises:
            NotFound: It is not on its board.
        """
        request = board_pb2.SubmissionsRequest(name=session.spec.purpose.board)
        reply = await self._calls.call("Boards/Submissions", request, SubmissionsReply)
        for entrant in reply.entrants:
            if entrant.submission.session == session.name:
                return entrant
        raise NotFound(f"{session.name} is not among the submissions to {request.name}.")

    @operation
    async def cheer(self, name: str, owner: str, *, withdraw: bool = False) -> CheerReply:
        """Cheer a contestant on the ranking of a board, once, or take that back.

        Raises:
            NotFound: They are not on the ranking.
            Refused: It is you, or a team of yours.
        """
        request = board_pb2.CheerRequest(name=name, owner=owner, withdraw=withdraw)
        return await self._calls.call("Boards/Cheer", request, CheerReply)

    @operation
    async def verify(self, name: str) -> VerifyReply:
        """Have the ranking recomputed from the log."""
        return await self._calls.call("Boards/Verify", board_pb2.BoardRef(name=name), VerifyReply)

    @operation
    async def submit(
        self,
        session: str,
        checkpoint: str,
        *,
        kind: "Purpose.Kind.ValueType" = Purpose.SUBMIT,
        board: str = "",
        entry: str | None = None,
        key: str = "",
    ) -> Session[M]:
        """Put a checkpoint to use by a session of its own: submit, rehearse, or ask.

        Raises:
            NotFound: There is no such session, checkpoint or board.
            Exhausted: The limit of the board is used up; it says for how long.
            Refused: The session did not train on the board's dataset, or the board is closed.
        """
        request = session_pb2.SubmitRequest(
            session=names.session(session, self._calls.owner),
            checkpoint=checkpoint,
            kind=kind,
            board=board,
            entry=entry,
            key=key or new_key(),
        )
        reply = await self._calls.call("Sessions/Submit", request, session_pb2.RunReply)
        return Session(self._calls, reply.session)

    @operation
    async def judge(self, board: str, sample: Path | str = "", *, key: str = "") -> Session[M]:
        """Judge a sample prediction on a board of yours, or again all that was predicted."""
        tree = await self._sample(Path(sample)) if sample else ""
        request = session_pb2.JudgeRequest(board=board, sample=tree, key=key or new_key())
        reply = await self._calls.call("Sessions/Judge", request, session_pb2.RunReply)
        return Session(self._calls, reply.session)

    async def _sample(self, file: Path) -> str:
        def check(found: "Sequence[Found]") -> None:
            if not found:
                raise NotFound(f"There is no file {file}.")

        tree = await trees.push(self._calls, file.parent, lambda path, _: path != file.name, check)
        return tree.id
