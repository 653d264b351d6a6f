"""What went wrong, as a page that says what to do."""

import logging
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nsml_core.errors import Error
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
        there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?to={quote(there, safe='/')}", 303)
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


def _answer(request: Request, status: int, sentence: str) -> Response:
    visit = Visit(request)
    if not _is_page(request):
        return visit.json({"error": sentence}, status)
    return visit.page("fault.html", status, sentence=sentence, code=status)


def _is_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


HANDLERS: dict[Any, Any] = {Error: _told, HTTPException: _unknown}
"""By Starlette's rules: an error's own class, or the nearest above it."""
