"""`nsml records`: the histograms, images, texts and tables that a session has reported."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.options import Count
from nsml_cli.output import Column
from nsml_cli.text import size, when_at
from nsml_client.client import Client
from nsml_core.errors import Refused
from nsml_protos.session_pb2 import Record, RecordKind, RecordsRequest

_folder = click.Path(file_okay=False, path_type=Path)
_ENDS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "text/plain": "txt",
    "application/json": "json",
}
_PATH_MAX = 100
_COLUMNS = (
    Column("Name", may_cut=True),
    Column("Kind"),
    Column("Step", right=True),
    Column("Reported"),
    Column("Size", right=True),
)


@click.command()
@options.session
@click.option(
    *("--name", "-k", "patterns"),
    metavar="PATTERN",
    multiple=True,
    help="Only those of such names; several times.",
)
@click.option(
    "--newest", metavar="N", type=Count(0), default=0, help="Only the newest N of each name."
)
@click.option("--pull", metavar="DIR", type=_folder, help="Bring them there, a file each.")
@options.as_json
def records(
    *, name: str, patterns: tuple[str, ...], newest: int, pull: Path | None, as_json: bool
) -> None:
    """List the histograms, images, texts and tables of a session, or bring them here."""
    client = open_client()
    one = sessions.get(client, name)
    request = RecordsRequest(name=one.name, records=patterns, newest=newest)
    if pull:
        request.with_data = True
        _pull(_told(client, request), pull)
    elif as_json:
        output.as_json([_shape(record) for record in _told(client, request)])
    else:
        rows = [_row(record) for record in _told(client, request)]
        output.table(_COLUMNS, rows, _nothing(one.name, patterns))


def _told(client: Client, request: RecordsRequest) -> Iterator[Record]:
    for record in client.stream("Sessions/Records", request, Record):
        if record is not None:
            yield record


def _pull(told: Iterator[Record], folder: Path) -> None:
    """Write each record into a file; user code named it, so it is no path."""
    count = 0
    for record in told:
        count += 1
        safe = "".join(each if each.isalnum() or each in "-_." else "_" for each in record.name)
        at = f"{record.step:g}" if record.HasField("step") else "-"
        end = _ENDS.get(record.media_type, "bin")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{safe[:_PATH_MAX]}_{at}_{count}.{end}"
        try:
            file.write_bytes(record.data)
        except OSError as error:
            raise Refused(f"{file} could not be written: {error.strerror}.") from error
    output.note(f"{count} files are in {folder}.")


def _nothing(session: str, patterns: tuple[str, ...]) -> str:
    if patterns:
        return f"No record matches; `nsml records {session}` lists all."
    return f"Session {session} has reported no histogram, image, text or table."


def _kind(record: Record) -> str:
    return RecordKind.Name(record.kind).lower()


def _row(record: Record) -> list[str]:
    step = f"{record.step:g}" if record.HasField("step") else ""
    reported = when_at(datetime.fromtimestamp(record.time_us / 1e6, UTC))
    return [record.name, _kind(record), step, reported, size(record.bytes)]


def _shape(record: Record) -> dict[str, object]:
    return {
        "name": record.name,
        "kind": _kind(record),
        "step": record.step if record.HasField("step") else None,
        "time_us": record.time_us,
        "media_type": record.media_type,
        "bytes": record.bytes,
        "attempt": record.attempt,
    }
