"""The web over a test's own services: asked as a browser asks, within the test's event loop."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response

from nsml_core.settings import Settings
from nsml_web.app import build
from nsml_web.settings import WebSettings
from nsml_web.web import Web

HOST = "127.0.0.1:8080"
ORIGIN = f"http://{HOST}"
NONE: Mapping[str, str] = {}
_SECONDS = 60


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def to(self) -> str:
        """Where it leads."""
        return self.headers.get("location", "")

    @property
    def csrf(self) -> str:
        """The token in its forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert found, self.text
        return unescape(found[1])


def serving(platform: Settings) -> Starlette:
    """Return the web of a platform."""
    settings = WebSettings("127.0.0.1", 8080, ORIGIN, platform.home / "web-key")
    return build(platform, settings)


class Inside:
    """A browser with its cookies."""

    def __init__(self, app: Starlette, token: str = "") -> None:
        self.app = app
        self.cookies: dict[str, str] = {}
        if token:
            self.log_in(token)

    @property
    def web(self) -> Web:
        found: Web = self.app.state.web
        return found

    def log_in(self, token: str) -> None:
        """Have the cookie of a login, by whatever way it came."""
        made = Response()
        self.web.cookies.write(made, token)
        self._keep(made.headers)

    async def get(self, path: str, **query: str) -> Answer:
        return await self.ask("GET", path, query)

    async def post(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] = NONE
    ) -> Answer:
        return await self.ask("POST", path, {}, urlencode(form).encode(), headers)

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = NONE,
        body: bytes = b"",
        headers: Mapping[str, str] = NONE,
    ) -> Answer:
        """Make a request; of an answer without end, return its first part."""
        known = {"host": HOST, "accept": "text/html", "origin": ORIGIN}
        kind = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**known, **kind, "content-length": str(len(body)), "cookie": jar, **headers}
        path, _, given = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": (given or urlencode(query)).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "scheme": "http",
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        answer = await self._answer(scope, body)
        self._keep(answer.headers)
        return answer

    async def _answer(self, scope: dict[str, Any], body: bytes) -> Answer:
        answer, enough, asked = Answer(), asyncio.Event(), [body]

        async def receive() -> dict[str, Any]:
            if asked:
                return {"type": "http.request", "body": asked.pop()}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = Headers(raw=message["headers"])
            else:
                answer.body += message.get("body", b"")
                is_endless = answer.headers.get("content-type", "").startswith("text/event-stream")
                if is_endless or not message.get("more_body"):
                    enough.set()

        task = asyncio.create_task(self.app(scope, receive, send))
        waiting = asyncio.create_task(enough.wait())
        await asyncio.wait([task, waiting], timeout=_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await task  # what goes wrong in it is the test's, too
        for one in (task, waiting):
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
        return answer

    def _keep(self, headers: Any) -> None:
        for line in headers.getlist("set-cookie"):
            for name, cookie in SimpleCookie(line).items():
                if cookie["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = cookie.value
