"""The web with a certificate: HTTPS at its port, and cookies that travel by nothing else."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from nsml_core.settings import read
from tests.tls.places import Place


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def asked(place: Place, method: str, path: str, **headers: str) -> Answer:
    """Make a request as a browser that trusts the platform's CA."""
    trusted = ssl.create_default_context(cafile=place.authority.folder / "ca.pem")
    connection = http.client.HTTPSConnection(place.web, timeout=60, context=trusted)
    known: Mapping[str, str] = {"accept": "text/html", **headers}
    connection.request(method, path, b"" if method == "POST" else None, known)
    reply = connection.getresponse()
    answer = Answer(reply.status, reply.headers, reply.read())
    connection.close()
    return answer


def test_a_login_is_a_cookie_that_travels_by_https_alone(place: Place) -> None:
    token = read({"NSML_HOME": str(place.ann.home)}).token_file.read_text().strip()
    told = asked(place, "POST", "/login/link", authorization=f"Bearer {token}")
    link = urlsplit(json.loads(told.body)["url"])
    assert (link.scheme, link.netloc) == ("https", place.web)
    entered = asked(place, "GET", f"{link.path}?{link.query}")

    assert entered.status == 303
    cookies = entered.headers.get_all("set-cookie") or []
    assert cookies
    for cookie in cookies:
        words = [part.strip().lower() for part in cookie.split(";")]
        assert {"secure", "httponly", "samesite=strict"} <= set(words), cookie
    assert entered.headers["strict-transport-security"].startswith("max-age=")
    kept = "; ".join(cookie.partition(";")[0] for cookie in cookies)
    assert asked(place, "GET", "/sessions", cookie=kept).status == 200


def test_the_clear_is_no_way_in(place: Place) -> None:
    connection = http.client.HTTPConnection(place.web, timeout=60)

    connection.request("GET", "/login")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


def test_who_trusts_another_authority_is_not_talked_to(place: Place) -> None:
    host, _, port = place.web.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname=host)
