"""Tokens for scripts: made, shown once, listed, revoked; logins are among them."""

from starlette.responses import Response

from nsml_core.authority import SCOPES
from nsml_core.errors import Error
from nsml_protos.identity_pb2 import LoginReply, RevokeTokenRequest, Token
from nsml_web.faults import for_form
from nsml_web.forms import tried, whole
from nsml_web.pages.account import tab
from nsml_web.visit import Visit

_CONFLICT = 409


async def show(
    visit: Visit, sentence: str = "", status: int = 200, made: LoginReply | None = None
) -> Response:
    """Show one's tokens; one that was made just now as it is, this once."""
    found = await visit.client.tokens.ls()
    return await tab(
        visit,
        "tokens.html",
        status,
        tab="tokens",
        tokens=sorted(found, key=lambda one: one.issued.seconds, reverse=True),
        scopes=SCOPES,
        made=made,
        sentence=sentence,
    )


async def create(visit: Visit) -> Response:
    """Make a token, and show it."""
    scopes = [str(scope) for scope in visit.form.getlist("scopes")]
    try:
        made = await visit.client.tokens.create(
            visit.field("name").strip(), scopes=scopes, days=max(whole(visit, "days"), 0)
        )
    except Error as error:
        return await show(visit, for_form(error), _CONFLICT)
    return await show(visit, made=made)


async def revoke(visit: Visit) -> Response:
    """Make a token void; one that is void already stays so."""
    request = RevokeTokenRequest(token=visit.field("token") or "none")
    work = visit.client.call("Logins/RevokeToken", request, Token)
    return await tried(visit, work, show, "/account/tokens")
