"""A link that logs a browser in, once: asked of the web by whoever has a token."""

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlencode

from nsml_core.errors import NotFound, Unauthenticated, Unavailable
from nsml_core.tls import is_local

_SECONDS = 10


def make(address: str, token: str, to: str = "/", *, ca: Path | None = None) -> str:
    """Return a link that logs the bearer of this token in, and leads to a page.

    Raises:
        NotFound: The platform has no web.
        Unavailable: The web does not answer.
        Unauthenticated: It does not know the token.
    """
    if not address or address == "none":
        raise NotFound("This platform has no web: start it without NSML_WEB_ADDRESS=none.")
    answer, told = _post(address, f"/login/link?{urlencode({'to': to})}", token, ca)
    if answer == http.HTTPStatus.UNAUTHORIZED:
        raise Unauthenticated(str(told.get("error", "The web does not know this token.")))
    if "url" not in told:
        raise Unavailable(
            f"The web at {origin(address)} gives no link ({answer}): look at its log."
        )
    return str(told["url"])


def origin(address: str) -> str:
    """Return where a browser finds the web at an address."""
    return f"{'http' if is_local(address) else 'https'}://{address}"


def _post(address: str, path: str, token: str, ca: Path | None) -> tuple[int, dict[str, object]]:
    # Not urllib, which would ask a proxy.
    if is_local(address):
        connection = http.client.HTTPConnection(address, timeout=_SECONDS)
    else:
        trusted = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(address, timeout=_SECONDS, context=trusted)
    try:
        connection.request("POST", path, b"", {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        raise Unavailable(
            f"The web does not answer at {origin(address)}: start it with `nsml up`."
        ) from None
    finally:
        connection.close()
