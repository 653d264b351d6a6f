"""One request of one person: who asks, in which language, and what becomes of it."""

import secrets
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from nsml_client.aio import AsyncClient
from nsml_core.errors import NotPermitted, Unauthenticated
from nsml_web import sentences, words
from nsml_web.cookies import Login
from nsml_web.web import Web

_THEMES = {"light", "dark"}


class Visit:
    """A request, and what is needed to answer it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.web: Web = request.app.state.web
        self.login: Login | None = self.web.cookies.read(request)
        self.form = FormData()
        """What was sent; the token of its login is in it, or nobody gets to see it."""

    @cached_property
    def client(self) -> AsyncClient:
        """Speaks to the services as the person who asks.

        Raises:
            Unauthenticated: Nobody has logged in.
        """
        return self.web.client(self.require_login().token)

    def require_login(self) -> Login:
        """Return who has logged in.

        Raises:
            Unauthenticated: Nobody has.
        """
        if self.login is None:
            raise Unauthenticated("Log in first.")
        return self.login

    @cached_property
    def language(self) -> str:
        return words.language(self.request)

    def said(self, text: str) -> str:
        """Return a sentence in the person's language."""
        return sentences.said(self.language, text)

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default).strip()

    def number(self, name: str, default: int = 0, most: int = 1 << 53) -> int:
        """Return a number of the address; what is none is the default."""
        text = self.query(name)
        return min(int(text), most) if text.isdecimal() else default

    def step(self, name: str) -> float | None:
        """Return a step of the address; None if there is none."""
        try:
            return float(self.query(name)) if self.query(name) else None
        except ValueError:
            return None

    def field(self, name: str) -> str:
        """Return what was typed into a field of the form."""
        found = self.form.get(name, "")
        return found if isinstance(found, str) else ""

    async def read_form(self, csrf: str = "") -> None:
        """Read what was sent, if it is of this login, or of this browser's way in."""
        csrf = csrf or self.require_login().csrf
        self.form = await self.request.form(max_files=0)
        if not secrets.compare_digest(self.field("csrf").encode(), csrf.encode()):
            raise NotPermitted("This form is of an earlier login: load the page again.")

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Answer with a page."""
        return HTMLResponse(self.part(template, **values), status)

    def part(self, template: str, **values: Any) -> str:
        """Return a page, or a part of one, as text."""
        theme = self.request.cookies.get("nsml-theme", "")
        return self.web.templates.render(
            template,
            self.language,
            user=self.client.user if self.login else "",
            csrf=self.login.csrf if self.login else "",
            theme=theme if theme in _THEMES else "",
            at=self.request.url.path,
            at_event=self.number("at"),
            **values,
        )

    def to(self, path: str, **query: str) -> Response:
        """Answer with the way to another page."""
        address = quote(path, safe="/@") + (f"?{urlencode(query)}" if query else "")
        return RedirectResponse(address, 303)

    def json(self, value: object, status: int = 200) -> Response:
        """Answer a script; what is no number in JSON is null."""
        return Response(msgspec.json.encode(value), status, media_type="application/json")


Handler = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def door(handler: Handler) -> Endpoint:
    """Make an endpoint for whoever comes."""

    async def endpoint(request: Request) -> Response:
        return await handler(Visit(request))

    return endpoint


def page(handler: Handler) -> Endpoint:
    """Make an endpoint that shows something to who has logged in."""

    async def endpoint(request: Request) -> Response:
        visit = Visit(request)
        visit.require_login()
        return await handler(visit)

    return endpoint


def action(handler: Handler) -> Endpoint:
    """Make an endpoint that changes something: only a form of the person's own login does."""

    async def endpoint(request: Request) -> Response:
        visit = Visit(request)
        await visit.read_form()
        return await handler(visit)

    return endpoint
