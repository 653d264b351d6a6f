"""`nsml plot`: the metrics of sessions as curves, in the terminal or in a file."""

from pathlib import Path

import click

from nsml_cli import curves, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.curves import Along
from nsml_cli.panels import Way
from nsml_cli.plotting import Plot

_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@options.sessions
@click.option(
    *("--series", "-k", "patterns"),
    metavar="PATTERN",
    multiple=True,
    help="Only series such as 'train/*'; several times.",
)
@click.option("--follow", "-f", is_flag=True, help="Draw anew until the sessions have ended.")
@click.option(
    *("--x", "along"),
    type=click.Choice(("step", "time", "relative")),
    default="step",
    help="Steps, the clock, or the time since a session's first point.",
)
@click.option("--log", "is_log", is_flag=True, help="Values on a logarithmic scale.")
@click.option("--smooth", is_flag=True, help="Draw moving means.")
@click.option(
    "--weight",
    metavar="W",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.6,
    help="Of --smooth: what a point weighs against the next; 0.6.",
)
@click.option("--together", is_flag=True, help="All series on one axis.")
@click.option("--png", metavar="FILE", type=_file, help="Into a picture instead.")
@click.option("--svg", metavar="FILE", type=_file, help="Into a picture instead.")
@options.as_json
def plot(  # noqa: PLR0913 - the options are what can be drawn
    *,
    typed: list[str],
    patterns: tuple[str, ...],
    follow: bool,
    along: Along,
    is_log: bool,
    smooth: bool,
    weight: float,
    together: bool,
    png: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Draw the metrics of sessions: names, or patterns with * and ? (quote them).

    A panel for each series, with a curve for each session. NaN is a gap. The legend says the last
    value, the least and the greatest.
    """
    client = open_client()
    names = sessions.find(client, typed, live_only=False)
    if as_json:
        output.as_json([shape for name in names for shape in curves.points(client, name, patterns)])
        return
    way = Way(along, is_log=is_log, is_together=together, smoothing=weight if smooth else 0.0)
    drawn = Plot(client, names, patterns, way)
    if follow:
        drawn.follow()
    if png or svg:
        drawn.write({form: file for form, file in (("png", png), ("svg", svg)) if file})
    else:
        drawn.show()
