"""What holds for every answer: the names that the web answers to, and what browsers may do."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nsml_web.settings import WebSettings

_BODY_BYTES_MAX = 1 << 20
_HEADERS = {
    # Scripts and styles are files of ours: what user code prints can be neither.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def headers(settings: WebSettings) -> dict[str, str]:
    """Return what every answer tells a browser."""
    if not settings.is_secure:
        return _HEADERS
    return {**_HEADERS, "strict-transport-security": "max-age=31536000"}


class Guard:
    """Refuses what no page of ours would ask, before anything looks at it."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        app = PlainTextResponse(refusal[1], refusal[0]) if refusal else self._app

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in headers(self._settings).items():
                    told.setdefault(name, value)
            await send(message)

        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return what is wrong with a request, as status and sentence."""
        asked = Headers(scope=scope)
        # A name that leads here and is not ours belongs to a page that wants to reach in.
        if asked.get("host", "") not in self._settings.hosts and scope["path"] != "/healthz":
            origin = urlsplit(self._settings.origin)
            return 421, f"This web answers to {origin.netloc} only: open {self._settings.origin}.\n"
        if scope["method"] in {"GET", "HEAD"}:
            return None
        if asked.get("origin", self._settings.origin) not in self._settings.origins:
            return 403, "This form was not sent from a page of NSML.\n"
        length = asked.get("content-length", "")
        if not length.isdecimal():
            return 411, "Say how long the body is.\n"
        if int(length) > _BODY_BYTES_MAX:
            return 413, "This is too much at once: send 1 MB at most.\n"
        return None
