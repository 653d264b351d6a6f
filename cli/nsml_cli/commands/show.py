"""`nsml show`: everything known about a session."""

from datetime import UTC, datetime, timedelta
from itertools import dropwhile

import click

from nsml_cli import dotted, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import clock, elapsed, moment, size, summary, when
from nsml_client import names
from nsml_core import times
from nsml_protos import session_pb2
from nsml_protos.gangs import members

_ATTEMPTS = (
    Column("Attempt", right=True),
    Column("Node"),
    Column("Devices", may_cut=True),
    Column("Placed"),
    Column("Runtime", right=True),
    Column("Environment", may_cut=True),
    Column("Packages", right=True),
)
_CHECKPOINTS = (
    Column("Checkpoint"),
    Column("Saved"),
    Column("Summary", may_cut=True),
    Column("Size", right=True),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DOTTED = (Column("Key"), Column("Value", may_cut=True))
_EVENTS = (Column("Time"), Column("Event"), Column("By"), Column("Detail", may_cut=True))


@click.command()
@options.session
@click.option("--at", metavar="EVENT|TIME", default="", help="As it stood then.")
@click.option("--verbose", "-v", is_flag=True, help="With each package of its environments.")
@options.as_json
def show(*, name: str, at: str, verbose: bool, as_json: bool) -> None:
    """Show everything known about a session, with its events.

    With --at it is shown as it stood when one of its events (a number of `nsml history`) had
    happened, or at a time: 10m ago, or 2026-01-31T14:05.
    """
    then = names.moment(at, names.now()) if at else names.NOW
    client = open_client()
    one = sessions.get(client, name, then)
    history = _until(sessions.history(client, one.name), then)
    until = moment(history[-1].time) if then.sequence else then.time
    row = sessions.row(client, one, (until - _EPOCH) // _MICROSECOND + 1 if until else 0)
    if as_json:
        output.as_json(sessions.whole_session(row, history))
        return
    stood = ("As it stood at", times.iso(until) if until else "")
    output.facts([stood, *_facts(one), ("Summary", summary(row.summary))])
    _show_dotted("Configuration", one.spec.config)
    _show_dotted("Parameters", one.spec.params)
    _show_attempts(one, until)
    if verbose:
        _show_packages(one)
    _show_checkpoints(one)
    _show_events(history)


def _until(
    history: list[session_pb2.HistoryLine], then: names.Moment
) -> list[session_pb2.HistoryLine]:
    """Return what had happened; a clock that was set back hides nothing in between."""
    if then.sequence:
        return [line for line in history if line.sequence <= then.sequence]
    if then.time_us:
        nanoseconds = then.time_us * 1000 + 999
        later = dropwhile(lambda line: line.time.ToNanoseconds() > nanoseconds, reversed(history))
        return list(later)[::-1]
    return history


def _facts(one: session_pb2.Session) -> list[tuple[str, str]]:
    spec, need = one.spec, one.spec.resources
    return [
        ("Session", one.name),
        ("Status", sessions.state(one)),
        ("Reason", one.reason),
        ("Memo", one.memo),
        ("Created", when(one.created)),
        ("Ended", when(one.ended)),
        ("Tags", ", ".join(spec.tags)),
        ("Setup", spec.job.setup.strip()),
        ("Command", sessions.command(spec)),
        ("VM", spec.job.vm),
        ("Environment", " ".join(f"{key}={value}" for key, value in sorted(spec.env.items()))),
        ("Datasets", " ".join(f"{mount.dataset}@{mount.revision}" for mount in spec.datasets)),
        ("Code", f"{spec.code_tree} ({size(spec.code_bytes)})"),
        ("Nodes", f"{need.nodes}, each with" if need.nodes > 1 else ""),
        ("GPUs", str(need.gpus)),
        ("CPUs", str(need.cpus)),
        ("Memory", size(need.memory_bytes) if need.memory_bytes else "no limit"),
        ("Seed", str(spec.seed)),
        ("Fork of", _parent(one)),
        ("Starts from", f"checkpoint {one.start.name}" if one.HasField("start") else ""),
        ("Restarts", sessions.restarts(one)),
        ("Last heard", when(one.attempts[-1].last_seen) if one.attempts else ""),
        ("Stop asked", f"{one.stop_reason} by {one.stop_actor}" if one.stop_actor else ""),
        ("Ended with", one.outcome.message),
        ("Output", one.outcome.output_tree),
    ]


def _parent(one: session_pb2.Session) -> str:
    if not one.HasField("parent"):
        return ""
    words = f"{one.parent.session} at event {one.parent.sequence}"
    return f"{words}, checkpoint {one.parent.checkpoint}" if one.parent.checkpoint else words


def _show_dotted(title: str, text: str) -> None:
    if text:
        output.heading(title)
        output.table(_DOTTED, [[key, value] for key, value in dotted.read(text).items()], "")


def _show_attempts(one: session_pb2.Session, until: datetime | None) -> None:
    if not one.attempts:
        return
    output.heading("Attempts")
    rows = [
        [
            str(tried.number),
            ", ".join(one.node for one in members(tried)),
            " + ".join(",".join(one.devices) for one in members(tried)),
            when(tried.placed),
            elapsed(tried.started, tried.ended, until),
            tried.environment,
            str(len(tried.packages)) if tried.python else "",
        ]
        for tried in one.attempts
    ]
    output.table(_ATTEMPTS, rows, "")


def _show_packages(one: session_pb2.Session) -> None:
    """Each environment once, under the first attempt that ran in it."""
    shown: set[str] = set()
    for tried in one.attempts:
        if tried.python and tried.environment not in shown:
            output.heading(f"Packages of attempt {tried.number}, for Python {tried.python}")
            for package in tried.packages or ["none"]:
                output.show(package)
        shown.add(tried.environment)


def _show_checkpoints(one: session_pb2.Session) -> None:
    if not one.checkpoints:
        return
    output.heading("Models")
    rows = [
        [point.name, when(point.saved), summary(point.summary), size(point.bytes)]
        for point in one.checkpoints
    ]
    output.table(_CHECKPOINTS, rows, "")


def _show_events(history: list[session_pb2.HistoryLine]) -> None:
    output.heading("Events")
    rows = [[clock(line.time), line.event, line.actor, line.detail] for line in history]
    output.table(_EVENTS, rows, "Nothing has happened yet.")
