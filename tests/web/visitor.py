"""A browser as far as requests go: cookies, forms, and what a hostile page would send."""

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def to(self) -> str:
        """Where it leads."""
        return self.headers["location"] or ""


class Visitor:
    """Whoever opened a link."""

    def __init__(self, link: str) -> None:
        at = urlsplit(link)
        self.host = at.netloc
        self.origin = f"http://{at.netloc}"
        self.cookie = ""
        self._connection = http.client.HTTPConnection(at.netloc, timeout=60)
        entered = self.get(f"{at.path}?{at.query}")
        self.cookie = (entered.headers["set-cookie"] or "").partition(";")[0]
        self.entered = entered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str, headers: Mapping[str, str] = NONE) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] = NONE) -> Answer:
        """Send a form, as a page of the web would; headers may say otherwise."""
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": self.origin}
        return self.ask("POST", path, urlencode(form), {**kind, **headers})

    def ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        known = {"accept": "text/html", "cookie": self.cookie}
        self._connection.request(method, path, body, {**known, **headers})
        reply = self._connection.getresponse()
        return Answer(reply.status, reply.headers, reply.read())

    def csrf(self, page: str = "/sessions") -> str:
        """Return the token that stands in the forms of this login."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(page).text)
        assert found
        return unescape(found[1])
