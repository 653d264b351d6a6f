"""`nsml why`: what a session waits for, or how it came to its end."""

from typing import TYPE_CHECKING

import click

from nsml_cli import events, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import clock, counted, duration, iso, when
from nsml_client.waits import Wait
from nsml_client.why import Why
from nsml_protos import session_pb2

if TYPE_CHECKING:  # only for who waits, the scheduler is asked
    from nsml_protos import scheduler_pb2

_WAITS = (
    Column("Since"),
    Column("For", right=True),
    Column("Why"),
    Column("Place"),
    Column("Who held room", may_cut=True),
)
_HOLDERS = (
    Column("Session"),
    Column("Owner"),
    Column("Node"),
    Column("GPUs"),
    Column("CPUs", right=True),
)
_TELLING_SECONDS = 0.5  # that every session waits so long, nobody asks about
_WHY = {
    session_pb2.ALLOCATED: "its data and environment are being prepared",
    session_pb2.RUNNING: "its code runs",
    session_pb2.EXITED: "its code came to its end, with exit code 0",
}

Facts = list[tuple[str, str]]


@click.command()
@options.session
@options.as_json
def why(*, name: str, as_json: bool) -> None:
    """Say why a session waits or waited, was stopped, was lost or failed.

    Of a session that waits: its place in the queue, and who holds the room.
    """
    found = open_client().sessions.get(name).why()
    one, cluster = found.session, found.cluster
    if as_json:
        output.as_json(_shape(found))
        return
    output.facts([*_facts(found), *_place(found), *_next_step(one)])
    _show_waits(found.waits)
    _show_holders(cluster)
    if found.stderr:
        output.heading("Its last lines on stderr")
    for line in found.stderr:
        output.show(line)


def _facts(found: Why) -> Facts:
    one, outcome = found.session, found.session.outcome
    is_stopped = one.status == session_pb2.STOPPED
    return [
        ("Session", one.name),
        ("Status", sessions.state(one)),
        ("Why", _why(one) or found.reason or "the scheduler has not looked at it yet"),
        ("Placed there", f"{found.placed}, so it begins sooner" if found.placed else ""),
        ("Last heard", when(one.attempts[-1].last_seen) if one.attempts else ""),
        ("Restarts", sessions.restarts(one)),
        ("Made room", counted(one.preemptions, "time") if one.preemptions else ""),
        ("Stopped by" if is_stopped else "Asked to stop by", events.who(one.stop_actor)),
        ("Because", "" if is_stopped else one.stop_reason),
        ("Ended", when(one.ended)),
        ("It was", outcome.message if is_stopped else ""),
        ("Exit code", str(outcome.exit_code) if outcome.exit_code else ""),
        ("Signal", str(outcome.signal) if outcome.HasField("signal") else ""),
        ("Out of memory", "yes" if outcome.out_of_memory else ""),
        ("Time limit", "reached" if outcome.time_limit else ""),
    ]


def _why(one: session_pb2.Session) -> str:
    if one.HasField("zombie_since"):
        return f"it does nothing: {one.reason.rstrip('.')}"
    return _WHY.get(one.status, "")


def _next_step(one: session_pb2.Session) -> Facts:
    if one.status not in {session_pb2.LOST, session_pb2.FAILED, session_pb2.STOPPED}:
        return []
    if "`--new-environment`" in one.outcome.message:
        return [("To go on", f"nsml resume {one.name} --new-environment")]
    if "`nsml resume " in one.outcome.message:  # what failed has said how, and it is not as usual
        return []
    if one.checkpoints or one.HasField("start"):
        return [("To go on", f"nsml resume {one.name}")]
    return [("To go on", f"nsml resume {one.name} --from-start (it has saved no checkpoint)")]


def _place(found: Why) -> Facts:
    if found.cluster is None:
        return []
    number = len(found.ahead) + 1
    return [
        ("In the queue", f"number {number} of {max(len(found.cluster.queue), number)}"),
        ("Before it", " ".join(found.ahead)),
    ]


def _show_waits(waited: list[Wait]) -> None:
    rows = [
        [clock(wait.since), duration(wait.seconds), wait.reason, *_then(wait)]
        for wait in waited
        if wait.seconds >= _TELLING_SECONDS or wait.until is None
    ]
    if rows:
        output.heading("Waits")
        output.table(_WAITS, rows, "")


def _then(wait: Wait) -> list[str]:
    """Return its place in the queue when that was said, and who held room."""
    position, length = wait.said.get("position"), wait.said.get("queue_length")
    return [f"{position} of {length}" if position else "", " ".join(wait.said.get("holders", ()))]


def _show_holders(cluster: "scheduler_pb2.ClusterReply | None") -> None:
    rows = [
        [one["session"], one["owner"], one["node"], ",".join(one["devices"]), str(one["cpus"])]
        for one in _holders(cluster)
    ]
    if rows:
        output.heading("Who holds room")
        output.table(_HOLDERS, rows, "")


def _holders(cluster: "scheduler_pb2.ClusterReply | None") -> list[Shape]:
    return [
        {
            "session": work.session,
            "owner": work.owner,
            "node": use.node.name,
            "devices": list(work.devices),
            "cpus": work.resources.cpus,
            "memory_bytes": work.resources.memory_bytes,
        }
        for use in (cluster.nodes if cluster else ())
        for work in use.running
    ]


def _shape(found: Why) -> Shape:
    one = found.session
    return {
        "name": one.name,
        "status": sessions.status(one),
        "reason": one.reason,
        "placed_because": found.placed,
        "zombie_since": iso(one.zombie_since),
        "last_seen": iso(one.attempts[-1].last_seen) if one.attempts else None,
        "stop_actor": one.stop_actor,
        "stop_reason": one.stop_reason,
        "ended": iso(one.ended),
        "outcome": sessions.outcome(one.outcome) if one.HasField("outcome") else None,
        "waits": [
            {
                "since": iso(wait.since),
                "until": None if wait.until is None else iso(wait.until),
                "seconds": wait.seconds,
                "reason": wait.reason,
                "position": wait.said.get("position"),
                "queue_length": wait.said.get("queue_length"),
                "holders": wait.said.get("holders", []),
                "estimate": wait.said.get("estimate"),
            }
            for wait in found.waits
        ],
        "ahead": None if found.cluster is None else found.ahead,
        "holders": _holders(found.cluster),
        "stderr": found.stderr,
    }
