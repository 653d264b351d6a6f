"""Who is logged in: a cookie with the bearer's token, sealed so that only the web opens it."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import Response

from nsml_core import auth
from nsml_web.settings import WebSettings

_DAYS = 7
_SECONDS = _DAYS * 24 * 3600


@dataclass(frozen=True)
class Login:
    """What the cookie says."""

    token: str
    """Of the person: every call to a service is made with it, and none with anything else."""

    csrf: str
    """Stands in every form of this login; a form without it is somebody else's."""

    own: bool = False
    """Its token was issued for this browser, and is void once it has logged out."""


class Cookies:
    """Seals logins, and opens them again."""

    def __init__(self, settings: WebSettings) -> None:
        key = base64.urlsafe_b64encode(auth.make_secret(settings.key_file))
        self._seal = Fernet(key)
        # Browsers keep cookies by host, whatever the port: each home has a name of its own.
        self._name = f"nsml-{settings.port}"
        self._door = f"{self._name}-door"
        self._is_secure = settings.is_secure

    def read(self, request: Request) -> Login | None:
        """Return who has logged in; None if nobody has, or too long ago."""
        return self.read_among(request.cookies)

    def read_among(self, cookies: Mapping[str, str]) -> Login | None:
        """Return the login that is among these cookies."""
        opened = self.unseal(cookies.get(self._name, ""), _SECONDS)
        try:
            return msgspec.json.decode(opened, type=Login) if opened else None
        except msgspec.DecodeError:
            return None

    def write(self, response: Response, token: str, *, own: bool = False) -> None:
        """Log the bearer of a token in."""
        login = Login(token, secrets.token_urlsafe(32), own)
        self._set(response, self._name, self.seal(msgspec.json.encode(login)), _SECONDS)

    def remove(self, response: Response) -> None:
        """Log out."""
        response.delete_cookie(self._name, httponly=True, secure=self._is_secure, samesite="strict")

    def door(self, request: Request) -> str:
        """Return what stands in the forms by which this browser may log in; empty: it has none."""
        return request.cookies.get(self._door, "")

    def write_door(self, response: Response, word: str) -> None:
        """Let a browser send forms by which somebody logs in."""
        self._set(response, self._door, word, None)

    def seal(self, content: bytes) -> str:
        """Return what a browser may keep, and only the web opens."""
        return self._seal.encrypt(content).decode()

    def unseal(self, sealed: str, seconds: int) -> bytes | None:
        """Open what was sealed by this web, at most so long ago."""
        try:
            return self._seal.decrypt(sealed.encode(), ttl=seconds)
        except InvalidToken:
            return None

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            httponly=True,
            secure=self._is_secure,
            samesite="strict",
        )
