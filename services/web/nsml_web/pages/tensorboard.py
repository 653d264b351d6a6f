"""TensorBoard on a session, behind the login of the web and for whoever may see the session."""

from starlette.responses import Response

from nsml_core.errors import Refused
from nsml_web import tensorboards
from nsml_web.pages.session import get, name
from nsml_web.relay import relay
from nsml_web.visit import Visit

# Its scripts are files of its package, and what it shows it puts in as text; its styles it makes
# as it goes. It needs `eval` for its projector alone, which is not among what we load.
_POLICY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
}
_ABSENT = (
    "TensorBoard is not installed beside the web: whoever runs the platform types "
    "`pip install 'nsml-web[tensorboard]'`."
)


async def show(visit: Visit) -> Response:
    """Show the way to it, or what to install."""
    one = await get(visit)
    return visit.page(
        "tensorboard.html",
        one=one.info,
        tab="tensorboard",
        is_here=tensorboards.is_installed(),
    )


async def passed_on(visit: Visit) -> Response:
    """Have the session's TensorBoard answer; each time it is asked whether it may be seen."""
    await get(visit)
    if not tensorboards.is_installed():
        raise Refused(_ABSENT)
    path = f"/sessions/{name(visit)}/tensorboard"
    socket = await visit.web.tensorboards.socket(visit.client, name(visit), path)
    return await relay(visit.request, socket, _POLICY)
