"""Boards: who leads, by which checkpoint, and one's own submissions."""

import asyncio
from typing import Any

from starlette.responses import Response

from nsml_client.access import new_key
from nsml_core.errors import Error
from nsml_protos import board_pb2
from nsml_protos.board_pb2 import Board
from nsml_protos.session_pb2 import Purpose, RunReply, SubmitRequest
from nsml_web import acting
from nsml_web.faults import for_form
from nsml_web.forms import flag, tried
from nsml_web.pages.session import get
from nsml_web.visit import Visit

_SHARES = {"public": board_pb2.PUBLIC_SHARE, "private": board_pb2.PRIVATE_SHARE}


async def of_platform(visit: Visit) -> list[Board]:
    """Return the boards that the person may see."""
    request = board_pb2.ListBoardsRequest()
    reply = await visit.client.call("Boards/List", request, board_pb2.ListBoardsReply)
    return list(reply.boards)


async def listed(visit: Visit) -> Response:
    """Show the boards."""
    return visit.page("boards.html", boards=await of_platform(visit))


async def show(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show a board's ranking, and what oneself has submitted."""
    name = visit.path("name")
    mine = board_pb2.SubmissionsRequest(name=name)
    board, submissions = await asyncio.gather(
        visit.client.call("Boards/Get", board_pb2.BoardRef(name=name), Board),
        visit.client.call("Boards/Submissions", mine, board_pb2.SubmissionsReply),
    )
    ranked = await ranking(visit, board)
    ranked["sentence"] = sentence or ranked["sentence"]
    return visit.page("board.html", status, **ranked, mine=submissions)


async def ranking(visit: Visit, board: Board) -> dict[str, Any]:
    """Return what a page needs to show a board's ranking, by the share that it is asked for."""
    share = visit.query("share") if visit.query("share") in _SHARES else "public"
    asked = board_pb2.RankingRequest(name=board.name, share=_SHARES[share])
    ranked, sentence = board_pb2.RankingReply(), ""
    try:
        ranked = await visit.client.call("Boards/Ranking", asked, board_pb2.RankingReply)
    except Error as error:  # such as that the private share is not revealed yet
        sentence = error.sentence
    own = {visit.client.user, *await acting.roles(visit)}
    return {"board": board, "ranking": ranked, "share": share, "own": own, "sentence": sentence}


async def cheer(visit: Visit) -> Response:
    """Cheer a contestant, or take that back; a dataset's page shows its board, too."""
    name, dataset = visit.path("name"), visit.field("dataset")
    withdraw = bool(flag(visit, "withdraw"))
    work = visit.client.boards.cheer(name, visit.field("owner"), withdraw=withdraw)
    return await tried(visit, work, show, f"/datasets/{dataset}" if dataset else f"/boards/{name}")


async def submitting(visit: Visit) -> Response:
    """Ask which model is to be submitted, and for what."""
    return await _form(visit, "")


async def submit(visit: Visit) -> Response:
    """Submit a model, or rehearse that."""
    one = await get(visit)
    request = SubmitRequest(
        session=one.name,
        checkpoint=visit.field("checkpoint"),
        kind=Purpose.REHEARSE if visit.field("rehearse") else Purpose.SUBMIT,
        board=visit.field("board"),
        key=visit.field("key") or new_key(),
    )
    try:
        reply = await acting.client(visit).call("Sessions/Submit", request, RunReply)
    except Error as error:
        return await _form(visit, for_form(error))
    return visit.to(f"/sessions/{reply.session.name}")


async def _form(visit: Visit, sentence: str) -> Response:
    one, boards = await asyncio.gather(get(visit), of_platform(visit))
    data = {mount.dataset for mount in one.info.spec.datasets}
    return visit.page(
        "submit.html",
        409 if sentence else 200,
        one=one.info,
        tab="",
        points=one.checkpoints[::-1],
        boards=[board for board in boards if board.terms.dataset in data],
        chosen=visit.field("checkpoint") or visit.query("checkpoint"),
        **await acting.choice(visit),
        sentence=sentence,
    )
