"""Who vouches for people: GitHub, or any OpenID Connect provider, by the device flow (RFC 8628).

The platform itself speaks to the provider; the person opens a page on any device with a browser.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import requests

from nsml_core.errors import Invalid, NotPermitted, Refused, Unavailable

GITHUB = "https://github.com"

_GITHUB_API = "https://api.github.com/user"
_GITHUB_ENDPOINTS = {
    "device_authorization_endpoint": f"{GITHUB}/login/device/code",
    "token_endpoint": f"{GITHUB}/login/oauth/access_token",
}
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_TIMEOUT_SECONDS = 10
_SLOWER_SECONDS = 5


@dataclass(frozen=True)
class Client:
    """As whom the platform is known to its provider."""

    issuer: str
    """`NSML_OIDC_ISSUER`: `https://github.com`, or an issuer of OpenID Connect."""

    client_id: str
    """`NSML_OIDC_CLIENT_ID`."""

    secret: str
    """`NSML_OIDC_CLIENT_SECRET`; many need none for the device flow."""

    may_join: bool
    """`NSML_OIDC_JOIN=yes`: whom the provider knows may join; else an admin adds people."""


def read(environ: Mapping[str, str] = os.environ) -> Client | None:
    """Read who vouches for people; None: nobody does."""
    issuer, client_id = (environ.get(f"NSML_OIDC_{name}", "") for name in ("ISSUER", "CLIENT_ID"))
    if not issuer and not client_id:
        return None
    if not issuer or not client_id:
        raise Invalid("NSML_OIDC_ISSUER and NSML_OIDC_CLIENT_ID go together: set both.")
    if not issuer.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise Invalid(f"NSML_OIDC_ISSUER is {issuer}: it begins with https://.")
    return Client(
        issuer.rstrip("/"),
        client_id,
        environ.get("NSML_OIDC_CLIENT_SECRET", ""),
        environ.get("NSML_OIDC_JOIN", "") == "yes",
    )


@dataclass(frozen=True)
class Begun:
    """A login under way: what the provider knows it by, and what its person has to do."""

    device_code: str
    url: str
    code: str
    complete_url: str
    interval: int
    expires: int


@dataclass(frozen=True)
class Vouched:
    """Whom the provider means."""

    subject: str
    login: str


class Provider:
    """Speaks with the provider; each of its methods blocks."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._known: dict[str, Any] = {}

    def begin(self) -> Begun:
        """Ask for a code to type."""
        asked = {"client_id": self.client.client_id, "scope": self._scope}
        said = self._post(self._endpoints["device_authorization_endpoint"], asked)
        if "device_code" not in said:
            raise Unavailable(f"{self.client.issuer} begins no login: {_error(said)}.")
        return Begun(
            str(said["device_code"]),
            str(said["verification_uri"]),
            str(said["user_code"]),
            str(said.get("verification_uri_complete", "")),
            int(said.get("interval", _SLOWER_SECONDS)),
            int(said.get("expires_in", 900)),
        )

    def end(self, device_code: str) -> Vouched | None:
        """Return who logged in; None: nobody yet."""
        said = self._post(self._endpoints["token_endpoint"], {
            "grant_type": _GRANT,
            "device_code": device_code,
            "client_id": self.client.client_id,
            **({"client_secret": self.client.secret} if self.client.secret else {}),
        })  # fmt: skip
        match said.get("error"):
            case None:
                return self._vouched(said)
            case "authorization_pending" | "slow_down":
                return None
            case "access_denied":
                raise NotPermitted(f"You said no to this login at {self.client.issuer}.")
            case "expired_token":
                raise Refused("The code has expired: log in again.")
            case _:
                raise Unavailable(f"{self.client.issuer} ends the login: {_error(said)}.")

    def _vouched(self, said: Mapping[str, Any]) -> Vouched:
        if self.client.issuer == GITHUB:
            user = self._get(_GITHUB_API, str(said.get("access_token", "")))
            return Vouched(str(user["id"]), str(user["login"]))
        claims = self._claims(str(said.get("id_token", "")))
        login = claims.get("preferred_username") or claims.get("email") or claims["sub"]
        return Vouched(str(claims["sub"]), str(login).partition("@")[0])

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what a signed statement of the provider says; it has to be about this login."""
        keys = jwt.PyJWKSet.from_dict(self._get(self._endpoints["jwks_uri"]))
        try:
            key = next(
                one for one in keys.keys if one.key_id == jwt.get_unverified_header(token)["kid"]
            )
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=_ALGORITHMS,
                audience=self.client.client_id,
                issuer=self.client.issuer,
                options={"require": ["exp", "iat", "sub"]},
                leeway=60,
            )
        except (jwt.InvalidTokenError, StopIteration, KeyError) as error:
            raise Refused(
                f"{self.client.issuer} vouches in words that do not hold: {error}."
            ) from None
        return claims

    @property
    def _scope(self) -> str:
        return "read:user" if self.client.issuer == GITHUB else "openid profile"

    @property
    def _endpoints(self) -> dict[str, Any]:
        if self.client.issuer == GITHUB:
            return _GITHUB_ENDPOINTS
        if not self._known:
            known = self._get(f"{self.client.issuer}/.well-known/openid-configuration")
            if known.get("issuer") != self.client.issuer:
                raise Unavailable(f"{self.client.issuer} calls itself {known.get('issuer')}.")
            if "device_authorization_endpoint" not in known:
                raise Unavailable(f"{self.client.issuer} has no device flow.")
            self._known = known
        return self._known

    def _post(self, url: str, data: Mapping[str, str]) -> dict[str, Any]:
        return self._answer(lambda: requests.post(
            url, data=data, headers={"accept": "application/json"}, timeout=_TIMEOUT_SECONDS
        ))  # fmt: skip

    def _get(self, url: str, bearer: str = "") -> dict[str, Any]:
        headers = {"accept": "application/json"}
        headers |= {"authorization": f"Bearer {bearer}"} if bearer else {}
        return self._answer(lambda: requests.get(url, headers=headers, timeout=_TIMEOUT_SECONDS))

    def _answer(self, ask: Any) -> dict[str, Any]:
        try:
            said = ask().json()
        except requests.RequestException:
            raise Unavailable(f"{self.client.issuer} does not answer: try again.") from None
        if not isinstance(said, dict):
            raise Unavailable(f"{self.client.issuer} does not answer as a provider does.")
        return said


def _error(said: Mapping[str, Any]) -> str:
    return str(said.get("error_description") or said.get("error") or "it does not say why")
