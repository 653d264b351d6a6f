"""A connection to the log's server that hands bulk readers what arrives, as it arrives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

Take = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Takes a message: subject, reply subject, data, and its headers as they came. It never raises."""

_END = b"\r\n"
_WORDS = 5
"""Of a control line without a reply subject."""


class Plaintext(NatsError):
    """The server does not offer TLS, and would be told our password for all to read."""

    def __str__(self) -> str:
        return "the server offers none"


class Connection(Client):
    """The library's client, but for what takers read.

    For each message the library matches patterns, parses headers, wakes a task and awaits its
    function: 30 µs, which is most of what a view takes for an entry. A taker is called where the
    bytes arrive, after 3 µs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takers: dict[int, Take] = {}
        self._ps = _Parser(self)

    def _connect_command(self) -> bytes:
        if self.options.get("tls") and not self._server_info.get("tls_required"):
            raise Plaintext
        return super()._connect_command()

    @contextmanager
    def handing(self, subscription: Subscription, take: Take) -> Iterator[None]:
        """Call this with each message of a subscription, instead of what it was made with."""
        number = subscription._id  # noqa: SLF001 - the library shows it to nobody
        self.takers[number] = take
        try:
            yield
        finally:
            del self.takers[number]

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        take = self.takers.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            take(subject, reply, data, headers)


class _Parser(Parser):
    """Hands over the messages of takers that arrive in one piece; the library parses all else."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._takers = connection.takers

    async def parse(self, data: bytes = b"") -> None:
        if self._takers and self.state == AWAITING_CONTROL_LINE:
            data, is_part = self._hand(bytes(self.buf) + data)
            self.buf.clear()
            if is_part:  # the library would wait for the rest, and then go on by itself
                self.buf.extend(data)
                return
        await super().parse(data)

    def _hand(self, data: bytes) -> tuple[bytes, bool]:
        """Hand over the messages that the data begin with.

        Return what is left, and whether it begins with a part of such a message.
        """
        at = 0
        while data.startswith(b"HMSG ", at) and (end := data.find(_END, at)) > 0:
            # HMSG <subject> <subscription> <reply> <bytes of headers> <bytes of all>
            words = data[at:end].split()
            take = self._takers.get(int(words[2]))
            headers, body = end + len(_END), end + len(_END) + int(words[-2])
            after = headers + int(words[-1])
            if take is None or len(data) < after + len(_END):
                return data[at:], take is not None
            reply = words[3] if len(words) > _WORDS else b""
            take(words[1], reply, data[body:after], data[headers:body])
            at = after + len(_END)
        return data[at:], False
