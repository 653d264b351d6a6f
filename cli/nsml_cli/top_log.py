"""The newest lines of a session's log, as they come, over the screen of `nsml top`."""

import threading
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, RichLog, Static

from nsml_cli.logtext import Passage
from nsml_client.client import Client
from nsml_core.errors import Error
from nsml_protos import session_pb2

_LINES = 500
_IDLE_SECONDS = 0.5


class Lines(Message):
    """What has come."""

    def __init__(self, lines: list[bytes]) -> None:
        super().__init__()
        self.lines = lines


class LogScreen(Screen[None]):
    """Follows a log until it is closed."""

    CSS = """
    #title { height: 1; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,l", "close", "Back")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._session = name
        self._left = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static(self._session, id="title", markup=False)
        yield RichLog(max_lines=_LINES, wrap=True, id="lines")
        yield Footer()

    def on_mount(self) -> None:
        threading.Thread(target=self._follow, daemon=True).start()

    def on_unmount(self) -> None:
        self._left.set()

    def on_lines(self, told: Lines) -> None:
        log = self.query_one("#lines", RichLog)
        for line in told.lines:
            passage = Passage(to_terminal=True)
            shown = passage.pass_on(line.rstrip(b"\r\n")) + passage.finish()
            log.write(Text.from_ansi(shown.decode()))

    def action_close(self) -> None:
        self.dismiss()

    def _follow(self) -> None:
        """Read in a thread of its own, which keeps nobody from leaving."""
        request = session_pb2.LogsRequest(name=self._session, lines=True, follow=True, tail=_LINES)
        with Client() as client:
            replies = client.stream(
                "Sessions/Logs", request, session_pb2.LogsReply, idle_seconds=_IDLE_SECONDS
            )
            try:
                for reply in replies:
                    if self._left.is_set():
                        return
                    if reply and reply.pieces:
                        self.post_message(Lines([piece.data for piece in reply.pieces]))
            except Error as error:
                self.post_message(Lines([error.sentence.encode()]))
