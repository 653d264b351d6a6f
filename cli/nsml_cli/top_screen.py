"""The screen of `nsml top`: tables that are kept up to date, and the log of a chosen session."""

import asyncio
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable, Footer, Static

from nsml_cli import glance
from nsml_cli.glance import Glance
from nsml_cli.output import Column, fit, style_of
from nsml_cli.text import clean, counted, cut
from nsml_cli.top_log import LogScreen
from nsml_client.client import Client
from nsml_core.errors import Error

_PADDING = 2
"""Of a table: a column on each side of its lines."""


class Looked(Message):
    """Somebody has looked again, or could not."""

    def __init__(self, seen: Glance | None, trouble: str = "") -> None:
        super().__init__()
        self.seen = seen
        self.trouble = trouble


class Top(App[None]):
    """Shows the last glance, and looks again every few seconds."""

    TITLE = "nsml top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #nodes, #devices { height: auto; max-height: 30%; margin-bottom: 1; }
    #sessions { height: 1fr; }
    #about { height: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "Quit"),
        Binding("l", "log", "Log"),
        Binding("s", "sort", "Sort"),
        Binding("r", "turn", "Reverse"),
    ]

    def __init__(self, seen: Glance, every_seconds: float) -> None:
        super().__init__()
        self._seen = seen
        self._every_seconds = every_seconds
        self._left = threading.Event()
        self._by: int | None = None
        self._is_turned = False

    def compose(self) -> ComposeResult:
        yield DataTable(id="nodes", show_cursor=False)
        yield DataTable(id="devices", show_cursor=False)
        yield DataTable(id="sessions", cursor_type="row")
        yield Static(id="about", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self._table("nodes").can_focus = False
        self._table("devices").can_focus = False
        self._table("sessions").focus()
        self._show()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        threading.Thread(target=self._look, daemon=True).start()

    def on_unmount(self) -> None:
        self._left.set()

    def on_resize(self) -> None:
        self._show()

    def on_looked(self, told: Looked) -> None:
        self._seen = told.seen or self._seen
        self._show(told.trouble)

    def on_data_table_row_selected(self) -> None:
        self.action_log()

    def on_data_table_header_selected(self, chosen: DataTable.HeaderSelected) -> None:
        if chosen.data_table.id == "sessions":
            self._by = chosen.column_index
            self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what is for tables only while they are to be seen."""
        return action not in {"log", "sort", "turn"} or len(self.screen_stack) == 1

    def action_sort(self) -> None:
        self._by = 0 if self._by is None else (self._by + 1) % len(glance.SESSIONS)
        self._show()

    def action_turn(self) -> None:
        self._is_turned = not self._is_turned
        self._show()

    def action_log(self) -> None:
        if chosen := self._chosen():
            self.push_screen(LogScreen(chosen))

    def _look(self) -> None:
        """Look again and again, in a thread that keeps nobody from leaving."""
        with Client() as client:
            while not self._left.wait(self._every_seconds):
                try:
                    self.post_message(Looked(glance.look(client)))
                except Error as error:
                    self.post_message(Looked(None, error.sentence))

    def _show(self, trouble: str = "") -> None:
        seen = self._seen
        nodes = [glance.node_cells(seen, use) for use in seen.nodes]
        devices = list(glance.device_cells(seen))
        _fill(self._table("nodes"), glance.NODES, nodes)
        _fill(self._table("devices"), glance.DEVICES, devices)
        self._table("devices").display = bool(devices)
        self._show_sessions()
        clock = seen.time.astimezone().strftime("%H:%M:%S")
        count = counted(len(seen.rows), "session")
        self.query_one("#about", Static).update(clean(f"{clock}  {count}. {trouble}"))

    def _show_sessions(self) -> None:
        table, chosen, top = (
            self._table("sessions"),
            self._chosen(),
            self._table("sessions").scroll_y,
        )
        rows = glance.ordered(self._seen, self._by, is_turned=self._is_turned)
        cells = [glance.session_cells(row, self._seen.time) for row in rows]
        _fill(table, glance.SESSIONS, cells, self._by)
        names = [row.name for row in rows]
        if chosen in names:
            table.move_cursor(row=names.index(chosen), animate=False, scroll=False)
            table.scroll_to(y=top, animate=False)

    def _chosen(self) -> str:
        table = self._table("sessions")
        return str(table.get_row_at(table.cursor_row)[0]) if table.row_count else ""

    def _table(self, name: str) -> DataTable[Text]:
        return self.query_one(f"#{name}", DataTable)


def _fill(
    table: DataTable[Text],
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    by: int | None = None,
) -> None:
    titled = [
        replace(column, title=column.title + "*" * (index == by))
        for index, column in enumerate(columns)
    ]
    places = fit(titled, rows, table.app.size.width - _PADDING)
    table.clear(columns=True)
    for _, column, width in places:
        table.add_column(_cell(column.title, column, width), width=width)
    for row in rows:
        table.add_row(*(_cell(row[index], column, width) for index, column, width in places))


def _cell(text: str, column: Column, width: int) -> Text:
    style = style_of(text) if column.is_status else ""
    justify: Literal["left", "right"] = "right" if column.right else "left"
    return Text(cut(text, width), style=style, justify=justify, no_wrap=True)
