"""An OpenID Connect provider with the device flow, on loopback: `provider.py`, until SIGTERM.

It says on its first line where it is. What a person does in a browser is POST /approve, with the
code, and who they are; a claim that is given beside replaces the provider's own.
"""

import json
import secrets
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "nsml-tests"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Flow:
    """One login under way."""

    user_code: str
    claims: dict[str, Any] = field(default_factory=dict)
    denied: bool = False


class Provider(ThreadingHTTPServer):
    """Keys, and logins under way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.flows: dict[str, Flow] = {}

    def public_keys(self) -> dict[str, Any]:
        shown = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**shown, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def statement(self, flow: Flow) -> str:
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        claims = {**own, **flow.claims}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "one"})


class Handler(BaseHTTPRequestHandler):
    """Answers as RFC 8628, and OpenID Connect Discovery and Core, have it."""

    server: Provider

    def do_GET(self) -> None:
        issuer = self.server.issuer
        if self.path == "/keys":
            self._say(200, self.server.public_keys())
        elif self.path == "/.well-known/openid-configuration":
            self._say(200, {
                "issuer": issuer,
                "device_authorization_endpoint": f"{issuer}/device",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys",
            })  # fmt: skip
        else:
            self._say(404, {"error": "not_found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        given = {key: values[0] for key, values in parse_qs(body).items()}
        match self.path:
            case "/device":
                self._begin(given)
            case "/token":
                self._end(given)
            case "/approve":
                self._approve(given)
            case _:
                self._say(404, {"error": "not_found"})

    def _begin(self, given: dict[str, str]) -> None:
        if given.get("client_id") != CLIENT_ID or "openid" not in given.get("scope", ""):
            self._say(400, {"error": "invalid_client"})
            return
        code, flow = secrets.token_hex(16), Flow(secrets.token_hex(4).upper())
        self.server.flows[code] = flow
        self._say(200, {
            "device_code": code,
            "user_code": flow.user_code,
            "verification_uri": f"{self.server.issuer}/approve",
            "expires_in": 600,
            "interval": 1,
        })  # fmt: skip

    def _end(self, given: dict[str, str]) -> None:
        flow = self.server.flows.get(given.get("device_code", ""))
        if given.get("grant_type") != _GRANT or flow is None:
            self._say(400, {"error": "invalid_grant"})
        elif flow.denied:
            self._say(400, {"error": "access_denied"})
        elif not flow.claims:
            self._say(400, {"error": "authorization_pending"})
        else:
            self._say(200, {
                "access_token": "unused",
                "token_type": "Bearer",
                "id_token": self.server.statement(flow),
            })  # fmt: skip

    def _approve(self, given: dict[str, str]) -> None:
        code = given.pop("code", "")
        flow = next((one for one in self.server.flows.values() if one.user_code == code), None)
        if flow is None:
            self._say(404, {"error": "no_such_code"})
            return
        flow.denied = not given
        flow.claims = {key: int(v) if v.isdecimal() and key == "exp" else v
                       for key, v in given.items()}  # fmt: skip
        self._say(200, {})

    def _say(self, status: int, said: dict[str, Any]) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        """Say nothing of calls."""


if __name__ == "__main__":
    provider = Provider()
    sys.stdout.write(f"{provider.issuer}\n")
    sys.stdout.flush()
    provider.serve_forever()
