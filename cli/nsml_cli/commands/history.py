"""`nsml history`: what happened to a session, in plain words."""

import json
import shutil
import textwrap
import time

import click

from nsml_cli import events, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.text import clean, clock, escape_json, is_terminal
from nsml_client import names
from nsml_client.client import Client
from nsml_protos import session_pb2

_POLL_SECONDS = 0.5
_ENDINGS = {"Completed", "Failed", "Stopped", "Lost", "Removed"}
_LIFE = _ENDINGS | {"Requested", "Resumed"}
_LEAST_WIDTHS = (5, 19, 9)
_LEAST_ROOM = 20  # for what happened; where there is less, the terminal breaks the lines


@click.command()
@options.session
@click.option("--follow", "-f", is_flag=True, help="Go on until the session has ended.")
@click.option("--verbose", "-v", is_flag=True, help="The request and the trace of each, too.")
@options.as_json
def history(*, name: str, follow: bool, verbose: bool, as_json: bool) -> None:
    """Tell what happened to a session: when, what, and by whom.

    Each event has a number: `nsml show --at` and `nsml fork --at` go back to it.
    """
    client = open_client()
    name = names.session(name, client.owner)
    lines = sessions.history(client, name)
    if as_json and not follow:
        output.as_json([sessions.event(line) for line in lines])
        return
    writer = _Writer(lines, verbose=verbose, as_json=as_json)
    writer.write(lines)
    while follow and not _has_ended(lines):
        time.sleep(_POLL_SECONDS)
        lines = _more(client, name, lines, writer)


def _more(
    client: Client, name: str, lines: list[session_pb2.HistoryLine], writer: "_Writer"
) -> list[session_pb2.HistoryLine]:
    news = sessions.history(client, name, lines[-1].sequence)
    writer.write(news)
    return [*lines, *news]


def _has_ended(lines: list[session_pb2.HistoryLine]) -> bool:
    return [line.event for line in lines if line.event in _LIFE][-1] in _ENDINGS


class _Writer:
    """Writes events as lines that are whole, however narrow it is: they are there to be read."""

    def __init__(
        self, lines: list[session_pb2.HistoryLine], *, verbose: bool, as_json: bool
    ) -> None:
        self._verbose = verbose
        self._as_json = as_json
        cells = [_cells(line)[:3] for line in lines]
        self._widths = [
            max(least, *map(len, column))
            for least, column in zip(_LEAST_WIDTHS, zip(*cells, strict=True), strict=True)
        ]
        if not as_json:
            output.title(self._head(["Event", "Time", "By"]) + "What happened")

    def write(self, lines: list[session_pb2.HistoryLine]) -> None:
        for line in lines:
            if self._as_json:
                output.show(escape_json(json.dumps(sessions.event(line), ensure_ascii=False)))
                continue
            self._write_line(_cells(line))
            if self._verbose:
                self._write_cause(line)

    def _write_cause(self, line: session_pb2.HistoryLine) -> None:
        trace = sessions.trace_id(line.traceparent)
        cause = f"request {line.request_id}" + (f", trace {trace}" if trace else "")
        self._write_line(["", "", "", cause])

    def _write_line(self, cells: list[str]) -> None:
        head = self._head(cells)
        room = shutil.get_terminal_size().columns - len(head)
        if not is_terminal() or room < _LEAST_ROOM:
            output.show(head + cells[3])
            return
        for piece in textwrap.wrap(clean(cells[3]), room, break_on_hyphens=False):
            output.show(head + piece)
            head = " " * len(head)

    def _head(self, cells: list[str]) -> str:
        number, when, by = self._widths
        return f"{cells[0]:>{number}}  {cells[1]:<{when}}  {cells[2]:<{by}}  "


def _cells(line: session_pb2.HistoryLine) -> list[str]:
    return [
        str(line.sequence),
        clock(line.time),
        events.who(line.actor),
        events.meaning(line.event, line.detail),
    ]
