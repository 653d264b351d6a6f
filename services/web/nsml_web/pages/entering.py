"""Coming in by name and password, by the platform's provider, or by an invitation."""

import msgspec
from starlette.responses import Response

from nsml_core.errors import Error, Invalid
from nsml_protos.identity_pb2 import LoginReply
from nsml_web.entrance import entered, shown
from nsml_web.links import local
from nsml_web.pages.login import form
from nsml_web.visit import Visit

_SECONDS_MAX = 3600
_REFUSED = 401
_LIMITED = 429


class Begun(msgspec.Struct):
    """A login at the provider that is under way; the browser keeps it, sealed."""

    handle: str
    url: str
    code: str
    complete_url: str
    interval: int


async def by_password(visit: Visit) -> Response:
    """Log in by name and password."""
    to, name = local(visit.field("to")), visit.field("name").strip()
    try:
        reply = await visit.web.nobody.logins.by_password(name, visit.field("password"))
    except Error as error:
        return await form(visit, error.sentence, _status(error), to=to)
    return _in(visit, reply, to)


async def begin(visit: Visit) -> Response:
    """Say what to open, and what to type there."""
    to = local(visit.field("to"))
    try:
        told = await visit.web.nobody.logins.begin()
    except Error as error:
        return await form(visit, error.sentence, _status(error), to=to)
    begun = Begun(
        told.handle,
        _address(told.url),
        told.code,
        _address(told.complete_url),
        max(1, told.interval_seconds),
    )
    return _waiting(visit, begun, visit.web.cookies.seal(msgspec.json.encode(begun)))


async def wait(visit: Visit) -> Response:
    """Log in whom the provider vouches for by now; a script asks again and again."""
    to, sealed = local(visit.field("to")), visit.field("begun")
    opened = visit.web.cookies.unseal(sealed, _SECONDS_MAX)
    if opened is None:
        raise Invalid("That login has grown old: begin another.")
    begun = msgspec.json.decode(opened, type=Begun)
    is_script = "text/html" not in visit.request.headers.get("accept", "")
    try:
        reply = await visit.web.nobody.logins.end_once(begun.handle)
    except Error as error:
        if is_script:
            raise
        return await form(visit, error.sentence, _status(error), to=to)
    if not reply.token:
        return visit.json({}, 202) if is_script else _waiting(visit, begun, sealed)
    if not is_script:
        return _in(visit, reply, to)
    answer = visit.json({"to": to})
    visit.web.cookies.write(answer, reply.token, own=True)
    return answer


async def invited(visit: Visit) -> Response:
    """Show where a password is chosen, by an invitation."""
    return _invitation(visit, visit.query("name"), visit.query("code"))


async def accept(visit: Visit) -> Response:
    """Take the password that somebody chose, and log them in."""
    name, code = visit.field("name").strip(), visit.field("code").strip()
    try:
        check_twice(visit)
        reply = await visit.web.nobody.logins.set_password(name, code, visit.field("password"))
    except Error as error:
        return _invitation(visit, name, code, error)
    return _in(visit, reply, "/")


def check_twice(visit: Visit) -> None:
    """Refuse a password that was typed in two ways.

    Raises:
        Invalid: They differ.
    """
    if visit.field("password") != visit.field("again"):
        raise Invalid("These are two passwords: type the same one twice.")


def _invitation(visit: Visit, name: str, code: str, error: Error | None = None) -> Response:
    return shown(
        visit,
        "invitation.html",
        _status(error) if error else 200,
        whose=name,
        code=code,
        sentence=error.sentence if error else "",
    )


def _waiting(visit: Visit, begun: Begun, sealed: str) -> Response:
    to = local(visit.field("to"))
    return shown(visit, "provider.html", begun=begun, sealed=sealed, to=to)


def _in(visit: Visit, reply: LoginReply, to: str) -> Response:
    return entered(visit, reply.token, to, own=True)


def _status(error: Error) -> int:
    return _LIMITED if error.code == "RESOURCE_EXHAUSTED" else _REFUSED


def _address(url: str) -> str:
    """Return what may be a link; of a provider that says something else, nothing."""
    return url if url.startswith(("https://", "http://")) else ""
