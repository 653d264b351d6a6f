"""The way in: forms of who has not logged in yet, sent by our own pages, and not too often."""

import math
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nsml_core.errors import Exhausted, NotPermitted, Throttled
from nsml_web.links import local
from nsml_web.visit import Endpoint, Handler, Visit


def entrance(handler: Handler, *, counted: bool = True) -> Endpoint:
    """Make an endpoint for a form by which somebody comes in; what is counted may be a guess."""

    async def endpoint(request: Request) -> Response:
        visit = Visit(request)
        word = visit.web.cookies.door(request)
        if not word:
            raise NotPermitted("This form has grown old: load the page again.")
        await visit.read_form(word)
        if counted:
            _count(visit)
        return await handler(visit)

    return endpoint


def shown(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """Answer with a page on which such forms stand."""
    word = visit.web.cookies.door(visit.request) or secrets.token_urlsafe(32)
    answer = visit.page(template, status, door=word, **values)
    visit.web.cookies.write_door(answer, word)
    return answer


def entered(visit: Visit, token: str, to: str, *, own: bool) -> Response:
    """Log the bearer of a token in, and lead to the page that they wanted."""
    answer = RedirectResponse(local(to), 303)
    visit.web.cookies.write(answer, token, own=own)
    return answer


def _count(visit: Visit) -> None:
    try:
        visit.web.entrance.take(visit.request.client.host if visit.request.client else "")
    except Throttled as error:
        wait = math.ceil(error.seconds)
        raise Exhausted(
            f"Too many tries to log in from where you are: try again in {wait} seconds."
        ) from None
