"""`nsml tensorboard`: the real TensorBoard on the metrics of sessions, as they come."""

from pathlib import Path

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.event_writer import EventWriter
from nsml_cli.tensorboard import TensorBoard, folder_for, program
from nsml_cli.text import counted
from nsml_core.errors import Invalid

_SESSIONS_MAX = 100


@click.command()
@options.sessions
@click.option(
    *("--series", "-k", "patterns"),
    metavar="PATTERN",
    multiple=True,
    help="Only series such as 'train/*'; several times.",
)
@click.option("--port", metavar="N", type=click.IntRange(1, 65_535), help="6006, or the next free.")
@click.option(
    "--logdir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the event files here.",
)
def tensorboard(
    *, typed: list[str], patterns: tuple[str, ...], port: int | None, logdir: Path | None
) -> None:
    """Start TensorBoard on sessions: names, or patterns with * and ? (quote them).

    A run for each session, live. It is to be seen from this machine only. Ctrl-C stops it; the
    sessions go on.
    """
    client = open_client()
    command = program()
    names = sessions.find(client, typed, live_only=False)
    if len(names) > _SESSIONS_MAX:
        raise Invalid(f"These are {len(names)} sessions: choose {_SESSIONS_MAX} at most.")
    for name in names:
        sessions.get(client, name)
    with folder_for(logdir) as folder:
        writers = [EventWriter(name, patterns, folder) for name in names]
        with TensorBoard(command, folder, port) as board:
            for writer in writers:
                writer.start()
            output.show(f"TensorBoard shows {counted(len(names), 'session')} at {board.address()}")
            output.note("Ctrl-C stops it.")
            board.wait()
