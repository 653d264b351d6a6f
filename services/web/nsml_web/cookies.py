"""Who is logged in: a cookie with the bearer's token, sealed so that only the web opens it."""

import base64
import secrets
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


class Cookies:
    """Seals logins, and opens them again."""

    def __init__(self, settings: WebSettings) -> None:
        key = base64.urlsafe_b64encode(auth.make_secret(settings.key_file))
        self._seal = Fernet(key)
        # Browsers keep cookies by host, whatever the port: each home has a name of its own.
        self._name = f"nsml-{settings.port}"
        self._is_secure = settings.is_secure

    def read(self, request: Request) -> Login | None:
        """Return who has logged in; None if nobody has, or too long ago."""
        sealed = request.cookies.get(self._name, "")
        try:
            opened = self._seal.decrypt(sealed.encode(), ttl=_SECONDS)
            return msgspec.json.decode(opened, type=Login)
        except (InvalidToken, msgspec.DecodeError):
            return None

    def write(self, response: Response, token: str) -> None:
        """Log the bearer of a token in."""
        login = Login(token, secrets.token_urlsafe(32))
        response.set_cookie(
            self._name,
            self._seal.encrypt(msgspec.json.encode(login)).decode(),
            max_age=_SECONDS,
            httponly=True,
            secure=self._is_secure,
            samesite="strict",
        )

    def remove(self, response: Response) -> None:
        """Log out."""
        response.delete_cookie(self._name, httponly=True, secure=self._is_secure, samesite="strict")
