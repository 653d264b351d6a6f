"""News by webhook: one POST of JSON, signed if there is a secret."""

import hashlib
import hmac
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nsml_core.errors import Invalid, Refused, Unavailable
from nsml_core.notify import News, one_line, plain
from nsml_core.times import iso

_SECONDS = 10.0
_LATER = {408, 425, 429}
_SERVER_ERROR = 500


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a POST would become a GET, perhaps of something else."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Webhook:
    """Where news are posted to."""

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    name: str = "webhook"

    @property
    def place(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"  # the path may well be a secret

    def tell(self, news: News) -> None:
        body = json.dumps(content(news)).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            self.url, body, {"Content-Type": "application/json", "User-Agent": "nsml"}
        )
        if self.secret:
            request.add_header("X-NSML-Signature", signature(self.secret, body))
        try:
            with urllib.request.build_opener(_Straight).open(request, timeout=_SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            sentence = f"{self.place} answers {error.code} {one_line(str(error.reason))}"
            if error.code in _LATER or error.code >= _SERVER_ERROR:
                raise Unavailable(sentence) from None
            raise Refused(sentence) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.place} does not answer: {error}") from None


def content(news: News) -> dict[str, str | int]:
    """Return what is posted; docs/notifications.md names the fields."""
    return {
        **news.facts,
        "id": news.id,
        "event": news.about,
        "time": iso(news.time),
        "owner": news.owner,
        "subject": one_line(news.subject),
        "text": plain(news.text),
        "command": news.command,
    }


def signature(secret: str, body: bytes) -> str:
    """Return what a receiver that knows the secret compares."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def read(environ: Mapping[str, str]) -> Webhook:
    """Read the settings."""
    url = environ["NSML_WEBHOOK_URL"]
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise Invalid("NSML_WEBHOOK_URL is http://HOST/PATH or https://HOST/PATH, without a user.")
    if not url.isascii() or one_line(url) != url or " " in url:
        raise Invalid("NSML_WEBHOOK_URL has characters that no address has.")
    return Webhook(url, environ.get("NSML_WEBHOOK_SECRET", ""))
