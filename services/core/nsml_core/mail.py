"""News by mail, over SMTP."""

import re
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from nsml_core.errors import Invalid, Refused, Unavailable
from nsml_core.notify import News, one_line, plain

_SECONDS = 10.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_PERMANENT = 500

_ANYBODY = "ann"
"""Stands for every user when a pattern of addresses is looked at."""


@dataclass(frozen=True)
class Mail:
    """A mail server, and who writes to whom."""

    scheme: str
    host: str
    port: int
    sender: str
    to: str
    """An address; `{user}` in it is the owner's name."""

    user: str = ""
    password: str = field(default="", repr=False)
    name: str = "mail"

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    def tell(self, news: News) -> None:
        try:
            with self._connect() as server:
                self._introduce(server)
                server.send_message(self._message(news))
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise self._refusal(code, said) from None
        except smtplib.SMTPResponseException as error:
            raise self._refusal(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"{self.place} cannot do what NSML_SMTP_URL asks: {error}") from None
        except OSError as error:  # of which the other errors of SMTP are a part
            raise Unavailable(f"The mail server {self.place} does not answer: {error}") from None

    def _connect(self) -> smtplib.SMTP:
        if self.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_SECONDS, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=_SECONDS)

    def _introduce(self, server: smtplib.SMTP) -> None:
        if self.scheme == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        if self.user:
            server.login(self.user, self.password)

    def _message(self, news: News) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(addr_spec=self.sender)
        message["To"] = Address(addr_spec=self.to.format(user=news.owner))
        message["Subject"] = one_line(news.subject)
        message["Date"] = format_datetime(news.time)
        # What is told twice is one mail to a mailbox that looks at this.
        message["Message-ID"] = f"<{re.sub('[^A-Za-z0-9]+', '.', news.id)}@nsml.invalid>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(plain(f"{news.text}\n\nWhat to type next: {news.command}\n"))
        return message

    def _refusal(self, code: int, said: bytes | str) -> Refused | Unavailable:
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        sentence = f"The mail server {self.place} answers {code}: {one_line(words)}"
        return Refused(sentence) if code >= _PERMANENT else Unavailable(sentence)


def read(environ: Mapping[str, str]) -> Mail:
    """Read the settings."""
    parts = urlsplit(environ["NSML_SMTP_URL"])
    port = _port(parts)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise Invalid(
            "NSML_SMTP_URL is smtp://HOST:PORT, smtp+starttls://USER:PASSWORD@HOST:PORT or "
            "smtps://USER:PASSWORD@HOST:PORT."
        )
    if parts.username and parts.scheme == "smtp" and not _is_here(parts.hostname):
        raise Invalid(
            "NSML_SMTP_URL would send a password in the clear: begin it with smtp+starttls:// "
            "or smtps://."
        )
    return Mail(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        sender=_address(environ, "NSML_MAIL_FROM"),
        to=_address(environ, "NSML_MAIL_TO"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise Invalid("The port in NSML_SMTP_URL is no number up to 65535.") from None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _address(environ: Mapping[str, str], name: str) -> str:
    pattern = environ.get(name, "")
    try:
        address = Address(addr_spec=pattern.format(user=_ANYBODY))
    except (ValueError, LookupError, AttributeError, MessageError):
        address = Address()
    if not address.username or not address.domain or one_line(pattern) != pattern:
        raise Invalid(
            f"{name} is {pattern!r}, and must be an address such as nsml@example.org"
            + (" or {user}@example.org." if name == "NSML_MAIL_TO" else ".")
        )
    return pattern
