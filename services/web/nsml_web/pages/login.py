"""Logging in: which ways there are here, a link that works once, a token; and logging out."""

import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from nsml_core.errors import NotFound, NotPermitted, Unauthenticated, Unavailable
from nsml_web.entrance import entered, shown
from nsml_web.links import local
from nsml_web.visit import Visit

_BEARER = "Bearer "

_log = logging.getLogger("nsml.web")


async def healthy(_: Request) -> Response:
    """Say that the web is there."""
    return PlainTextResponse("ok\n")


async def show(visit: Visit) -> Response:
    """Show how to log in; with the code of a link, log in at once."""
    code = visit.query("code")
    if not code:
        return await form(visit, await _ended(visit), to=local(visit.query("to", "/")))
    found = visit.web.links.take(code)
    if found is None:
        sentence = "This link was used, or is too old: type `nsml open` for another."
        return await form(visit, sentence, 401, to="/")
    token, to = found
    return entered(visit, token, to, own=False)


async def form(visit: Visit, sentence: str = "", status: int = 200, *, to: str) -> Response:
    """Show the ways in that this platform has."""
    ways = await visit.web.nobody.logins.ways()
    return shown(
        visit,
        "login.html",
        status,
        to=to,
        sentence=sentence,
        ways=ways,
        provider=ways.provider.partition("://")[2],
        whose=visit.field("name"),
    )


async def enter(visit: Visit) -> Response:
    """Log in with a token."""
    token, to = visit.field("token").strip(), local(visit.field("to"))
    try:
        await visit.web.client(token).whoami()
    except Unauthenticated as error:
        return await form(visit, error.sentence, 401, to=to)
    return entered(visit, token, to, own=False)


async def link(visit: Visit) -> Response:
    """Give whoever has a token a link that logs in once."""
    given = visit.request.headers.get("authorization", "")
    token = given.removeprefix(_BEARER)
    if not given.startswith(_BEARER):
        raise Unauthenticated("Say who you are: Authorization: Bearer TOKEN.")
    await visit.web.client(token).whoami()
    code = visit.web.links.make(token, visit.query("to", "/"))
    return visit.json({"url": f"{visit.web.settings.origin}/login?code={code}"})


async def leave(visit: Visit) -> Response:
    """Log out; what was issued for this browser is void from then on."""
    answer = RedirectResponse("/login", 303)
    visit.web.cookies.remove(answer)
    if visit.require_login().own:
        try:
            await visit.client.tokens.revoke()
        except (Unauthenticated, Unavailable) as error:  # the browser forgets it all the same
            _log.warning("a token was not revoked at logout: %s", error.sentence)
    return answer


async def _ended(visit: Visit) -> str:
    """Return what to say to somebody whose login is good no more; as nobody they see the page."""
    if visit.login is None:
        return ""
    try:
        await visit.client.whoami()
    except (Unauthenticated, NotPermitted, NotFound):
        visit.login = None
        return visit.said("Your login has ended: log in again, and you go on where you were.")
    return ""
