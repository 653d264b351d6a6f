"""Logging in: with a link that works once, or with a token."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from nsml_core.errors import Unauthenticated
from nsml_web.links import local
from nsml_web.visit import Visit

_BEARER = "Bearer "


async def healthy(_: Request) -> Response:
    """Say that the web is there."""
    return PlainTextResponse("ok\n")


async def show(visit: Visit) -> Response:
    """Show the form; with the code of a link, log in at once."""
    code = visit.query("code")
    if not code:
        return visit.page("login.html", to=local(visit.query("to", "/")), sentence="")
    found = visit.web.links.take(code)
    if found is None:
        sentence = visit.said("This link was used, or is too old: type `nsml open` for another.")
        return visit.page("login.html", 401, to="/", sentence=sentence)
    token, to = found
    return _entered(visit, token, to)


async def enter(visit: Visit) -> Response:
    """Log in with a token."""
    form = await visit.request.form(max_files=0)
    token, to = str(form.get("token", "")).strip(), local(str(form.get("to", "/")))
    try:
        await visit.web.client(token).whoami()
    except Unauthenticated as error:
        return visit.page("login.html", 401, to=to, sentence=error.sentence)
    return _entered(visit, token, to)


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
    """Log out."""
    answer = RedirectResponse("/login", 303)
    visit.web.cookies.remove(answer)
    return answer


def _entered(visit: Visit, token: str, to: str) -> Response:
    answer = RedirectResponse(to, 303)
    visit.web.cookies.write(answer, token)
    return answer
