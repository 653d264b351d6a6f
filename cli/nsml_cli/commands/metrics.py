"""`nsml metrics`: what sessions have reported, on the screen, as JSON, or into files."""

from pathlib import Path

import click

from nsml_cli import exports, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.exports import Export
from nsml_cli.options import Count
from nsml_cli.output import Column
from nsml_client.client import Client
from nsml_protos.session_pb2 import Series

_file = click.Path(dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)
_COLUMNS = (
    Column("Series", may_cut=True),
    Column("Points", right=True),
    Column("Last", right=True),
    Column("Step", right=True),
    Column("Min", right=True),
    Column("Max", right=True),
)


@click.command()
@options.sessions
@click.option(
    *("--series", "-k", "patterns"),
    metavar="PATTERN",
    multiple=True,
    help="Only series such as 'train/*'; several times.",
)
@click.option(
    "--buckets",
    metavar="N",
    type=Count(0),
    default=0,
    help="At most N rows a series, each with the extremes of its points.",
)
@click.option("--csv", "csv_file", metavar="FILE", type=_file, help="Write every point there.")
@click.option("--parquet", metavar="FILE", type=_file, help="Write every point there.")
@click.option("--tensorboard", metavar="DIR", type=_folder, help="Write event files there.")
@options.as_json
def metrics(  # noqa: PLR0913 - the options are where it goes
    *,
    typed: list[str],
    patterns: tuple[str, ...],
    buckets: int,
    csv_file: Path | None,
    parquet: Path | None,
    tensorboard: Path | None,
    as_json: bool,
) -> None:
    """Show what sessions have reported: names, or patterns with * and ? (quote them)."""
    client = open_client()
    names = sessions.find(client, typed, live_only=False)
    export = Export(client, names, patterns, buckets)
    if as_json:
        output.as_json([_shape(name, one) for name, one in export.series()])
    elif csv_file or parquet or tensorboard:
        if csv_file:
            export.csv(csv_file)
        if parquet:
            export.parquet(parquet)
        if tensorboard:
            export.tensorboard(tensorboard)
    else:
        _show(client, names, patterns)


def _show(client: Client, names: list[str], patterns: tuple[str, ...]) -> None:
    columns = (*((Column("Session"),) if len(names) > 1 else ()), *_COLUMNS)
    rows = [
        [*([name] if len(names) > 1 else []), *_row(one)]
        for name in names
        for one in exports.overview(client, name, patterns)
    ]
    output.table(columns, rows, _nothing(names, patterns))


def _nothing(names: list[str], patterns: tuple[str, ...]) -> str:
    if patterns:
        return "No series matches; without -k all are listed."
    who = f"Session {names[0]} has" if len(names) == 1 else "These sessions have"
    return f"{who} reported no metrics."


def _row(one: Series) -> list[str]:
    numbers = (one.values[-1], one.steps[-1], one.mins[-1], one.maxs[-1])
    return [one.name, str(sum(one.counts)), *(f"{number:.6g}" for number in numbers)]


def _shape(name: str, one: Series) -> dict[str, object]:
    shape: dict[str, object] = {
        "session": name,
        "series": one.name,
        "steps": list(one.steps),
        "times_us": list(one.times_us),
        "values": list(one.values),
    }
    if one.counts:
        for column in ("mins", "maxs", "firsts", "first_steps", "counts"):
            shape[column] = list(getattr(one, column))
    return shape
