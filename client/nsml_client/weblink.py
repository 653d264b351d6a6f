"""A link that logs a browser in, once: asked of the web by whoever has a token."""

import http.client
import json
from urllib.parse import urlencode, urlsplit

from nsml_core.errors import NotFound, Unauthenticated, Unavailable

_SECONDS = 10


def make(address: str, token: str, to: str = "/") -> str:
    """Return a link that logs the bearer of this token in, and leads to a page.

    Raises:
        NotFound: The platform has no web.
        Unavailable: The web does not answer.
        Unauthenticated: It does not know the token.
    """
    if not address or address == "none":
        raise NotFound("This platform has no web: start it without NSML_WEB_ADDRESS=none.")
    answer, told = _post(address, f"/login/link?{urlencode({'to': to})}", token)
    if answer == http.HTTPStatus.UNAUTHORIZED:
        raise Unauthenticated(str(told.get("error", "The web does not know this token.")))
    if "url" not in told:
        raise Unavailable(
            f"The web at {origin(address)} gives no link ({answer}): look at its log."
        )
    return str(told["url"])


def origin(address: str) -> str:
    """Return where a browser finds the web at an address."""
    return address if "://" in address else f"http://{address}"


def _post(address: str, path: str, token: str) -> tuple[int, dict[str, object]]:
    at = urlsplit(origin(address))
    # Not urllib, which would ask a proxy.
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.netloc, timeout=_SECONDS)
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
