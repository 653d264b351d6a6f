"""A mail server and a receiver of webhooks, real ones on loopback, which keep what they get."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

HERE = "127.0.0.1"
OK = "250 OK"


@dataclass
class Mailbox:
    """What has arrived: envelopes' recipients and messages; and how the next ones are answered."""

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """To the next messages, instead of OK; what is refused is not kept."""

    asked: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:
        self.asked += 1
        if self.answers:
            return self.answers.pop(0)
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        return OK

    def authenticate(self, *given: Any) -> AuthResult:
        login = given[-1]
        self.logins.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=login.password == b"p@ss", handled=False)


@contextmanager
def mail_server(box: Mailbox) -> Iterator[Mailbox]:
    """Receive mail while the block runs; a box that had a port gets the same one again."""
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            box,
            hostname="localhost",
            loop=loop,
            authenticator=box.authenticate,
            auth_require_tls=False,
        )

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = loop.create_server(protocol, HERE, box.port)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result()
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Posted:
    """One request."""

    path: str
    headers: Message
    body: bytes


@dataclass
class Hook:
    """What was posted, and how the next requests are answered."""

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.port}/hook"


@contextmanager
def web_receiver(hook: Hook) -> Iterator[Hook]:
    """Receive requests while the block runs; a hook that had a port gets the same one again."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            hook.posted.append(Posted(self.path, self.headers, self.rfile.read(size)))
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HERE, hook.port), Handler) as server:
        hook.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server, for tests that import it."""
    with mail_server(Mailbox()) as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver of webhooks, for tests that import it."""
    with web_receiver(Hook()) as found:
        yield found
