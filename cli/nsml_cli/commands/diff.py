"""`nsml diff`: in what sessions differ, from their arguments to their code and metrics."""

import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from nsml_cli import complete, dotted, events, options, output, sessions, transfer
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import clean, has_colour, is_terminal
from nsml_client.client import Client
from nsml_client.codediff import Change, changes
from nsml_protos import session_pb2

_SGR = {"+": "32", "-": "31", "@": "36"}
_LEAST = 2
_TAB = 8

Values = dict[str, list[str]]
"""What is compared, and what it is in each of the sessions."""


@click.command()
@click.argument(
    "typed", metavar="A B...", nargs=-1, required=True, shell_complete=complete.session_names
)
@options.as_json
def diff(*, typed: list[str], as_json: bool) -> None:
    """Compare sessions: arguments, resources, environment, data, code, last metrics.

    Settings that are the same are left out. The code of each is compared with the first one's.
    """
    if len(typed) < _LEAST:
        raise click.UsageError("Name two sessions or more.")
    client = open_client()
    ones = [sessions.get(client, name) for name in typed]
    settings = _different(_settings(ones))
    metrics = _metrics(client, ones)
    code = _code(client, ones)
    if as_json:
        output.as_json(_shape(ones, settings, metrics, code))
        return
    _show("Settings", ones, settings)
    _show("Metrics", ones, metrics)
    for one, found in zip(ones[1:], code, strict=True):
        _show_code(ones[0].name, one.name, found)
    if not settings and not any(code) and not _different(metrics):
        output.note("They do not differ in anything that is compared.")


def _settings(ones: list[session_pb2.Session]) -> Values:
    specs = [one.spec for one in ones]
    variables = sorted({name for spec in specs for name in spec.env})
    data = sorted({mount.dataset for spec in specs for mount in spec.datasets})
    ran = [_last_started(one) for one in ones]
    versions = [dict(_package(pin) for pin in tried.packages) for tried in ran]
    packages = sorted({name for each in versions for name in each}, key=str.lower)
    return {
        "Entry": [spec.entry for spec in specs],
        "Setup": [spec.job.setup for spec in specs],
        "Job": [spec.job.command for spec in specs],
        "Args": [shlex.join(spec.args) for spec in specs],
        "Resources": [_resources(spec.resources) for spec in specs],
        **_dotted("Config", [spec.config for spec in specs]),
        **_dotted("Param", [spec.params for spec in specs]),
        "Seed": [str(spec.seed) for spec in specs],
        "Tags": [", ".join(spec.tags) for spec in specs],
        **{f"Env {name}": [spec.env.get(name, "") for spec in specs] for name in variables},
        **{f"Data {name}": [_revision(spec, name) for spec in specs] for name in data},
        "Environment": [tried.environment for tried in ran],
        "Python": [tried.python for tried in ran],
        **{f"Package {name}": [each.get(name, "") for each in versions] for name in packages},
        "Code": [spec.code_tree[:12] for spec in specs],
        "Starts from": [one.start.name if one.HasField("start") else "" for one in ones],
        "Status": [sessions.status(one) for one in ones],
    }


def _last_started(one: session_pb2.Session) -> session_pb2.Attempt:
    started = (tried for tried in reversed(one.attempts) if tried.environment)
    return next(started, session_pb2.Attempt())


def _package(pin: str) -> tuple[str, str]:
    """Split name==version, or name @ where it came from."""
    name, mark, version = pin.partition("==")
    if mark and " @ " not in name:
        return name, version
    name, _, origin = pin.partition(" @ ")
    return name, origin


def _dotted(what: str, texts: list[str]) -> Values:
    """Return what each of the sessions has under each dotted key of any."""
    known = [dotted.read(text) for text in texts]
    keys = dict.fromkeys(key for each in known for key in each)
    return {f"{what} {key}": [each.get(key, "") for each in known] for key in keys}


def _resources(need: session_pb2.Resources) -> str:
    return events.resources(
        {"gpus": need.gpus, "cpus": need.cpus, "memory_bytes": need.memory_bytes}
    )


def _revision(spec: session_pb2.Spec, name: str) -> str:
    return " ".join(
        f"{mount.dataset}@{mount.revision}" for mount in spec.datasets if mount.dataset == name
    )


def _different(values: Values) -> Values:
    return {name: each for name, each in values.items() if len(set(each)) > 1}


def _metrics(client: Client, ones: list[session_pb2.Session]) -> Values:
    """Return the last value of every series, side by side."""
    last = [_last_values(client, one.name) for one in ones]
    names = sorted({name for values in last for name in values})
    return {name: [values.get(name, "") for values in last] for name in names}


def _last_values(client: Client, name: str) -> dict[str, str]:
    request = session_pb2.MetricsRequest(name=name)
    reply = client.call("Sessions/Metrics", request, session_pb2.MetricsReply)
    return {
        series.name: f"{series.values[-1]:.6g} at {series.steps[-1]:g}" for series in reply.series
    }


def _code(client: Client, ones: list[session_pb2.Session]) -> list[list[Change]]:
    """Return what changed in the code, from the first to each of the others."""
    trees = [one.spec.code_tree for one in ones]
    if len(set(trees)) == 1:
        return [[] for _ in trees[1:]]
    with tempfile.TemporaryDirectory(prefix="nsml-diff-") as folder:
        for tree in set(trees):
            transfer.pull(client, tree, Path(folder) / tree, "Fetching code", force=False)
        first, *others = (Path(folder) / tree for tree in trees)
        return [changes(first, other) for other in others]


def _show(title: str, ones: list[session_pb2.Session], values: Values) -> None:
    if not values:
        return
    output.heading(title)
    columns = (Column(""), *(Column(one.name, may_cut=True) for one in ones))
    output.table(columns, [[name, *each] for name, each in values.items()], "")


def _show_code(first: str, other: str, found: list[Change]) -> None:
    if not found:
        return
    output.heading(f"Code: {first} → {other}")
    for change in found:
        for line in _lines(change):
            sys.stdout.write(line + "\n")


def _lines(change: Change) -> Iterator[str]:
    """Yield a change's lines: whole in a pipe, where `patch` may read them; harmless to people."""
    if not change.patch:
        yield clean(f"{change.path}: {change.kind}")
    for line in change.patch:
        if not is_terminal():
            yield line
            continue
        sgr = _SGR.get(line[:1]) if has_colour() else None
        shown = clean(line.expandtabs(_TAB))
        yield f"\x1b[{sgr}m{shown}\x1b[0m" if sgr else shown


def _shape(
    ones: list[session_pb2.Session], settings: Values, metrics: Values, code: list[list[Change]]
) -> Shape:
    return {
        "sessions": [one.name for one in ones],
        "settings": settings,
        "metrics": metrics,
        "code": [
            {
                "session": one.name,
                "files": [
                    {"path": change.path, "change": change.kind, "diff": "\n".join(change.patch)}
                    for change in found
                ],
            }
            for one, found in zip(ones[1:], code, strict=True)
        ],
    }
