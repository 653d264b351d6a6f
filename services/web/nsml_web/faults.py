"""What went wrong, as a page that says what to do."""

import logging
from typing import Any
from urllib.parse import quote

from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nsml_core.errors import Error, NotFound, NotPermitted, Unauthenticated
from nsml_web import guard
from nsml_web.links import local
from nsml_web.visit import Visit

_log = logging.getLogger("nsml.web")

_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}
_BROKEN = 500


def _told(request: Request, error: Any) -> Response:
    assert isinstance(error, Error)  # noqa: S101 - HANDLERS says so
    status = _STATUS.get(error.code, _BROKEN)
    if error.code == "UNAUTHENTICATED" and _is_page(request):
        return RedirectResponse(f"/login?to={quote(_there(request), safe='/')}", 303)
    if status == _BROKEN:
        _log.error("%s: %s", request.url.path, error.sentence)
    return _answer(request, status, error.sentence)


def _unknown(request: Request, error: Any) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - HANDLERS says so
    sentences = {
        404: "There is no such page: the search (press /) finds sessions and datasets.",
        405: "This page takes no such request: go back and load it again.",
    }
    return _answer(request, error.status_code, sentences.get(error.status_code, error.detail))


def for_form(error: Error) -> str:
    """Return what to say on a form that could not be done; who may not do it gets no form.

    Raises:
        NotPermitted: They may not.
        NotFound: There is nothing that they could do it with.
    """
    if isinstance(error, (NotPermitted, NotFound, Unauthenticated)):
        raise error
    return error.sentence


def _there(request: Request) -> str:
    """Return the page that somebody wants; of a form, the page on which it stood."""
    at = request.url
    if request.method != "GET":
        at = URL(request.headers.get("referer", "/"))  # its host is of no account: ours is meant
    return local(at.path + (f"?{at.query}" if at.query else ""))


def _answer(request: Request, status: int, sentence: str) -> Response:
    visit = Visit(request)
    if not _is_page(request):
        return visit.json({"error": visit.said(sentence)}, status)
    return visit.page("fault.html", status, sentence=sentence, code=status)


def _is_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _unforeseen(request: Request, _: Exception) -> Response:
    """Answer where the web itself has gone wrong; Starlette goes on to log what it was."""
    sentence = "This page could not be made, and the log says why: try again, or tell an admin."
    answer = _answer(request, _BROKEN, sentence)
    answer.headers.update(guard.headers(request.app.state.web.settings))  # it comes past the guard
    return answer


HANDLERS: dict[Any, Any] = {Error: _told, HTTPException: _unknown, Exception: _unforeseen}
"""By Starlette's rules: an error's own class, or the nearest above it."""
