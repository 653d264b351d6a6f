"""Sessions as the command line finds and shows them; docs/cli.md describes the JSON shapes."""

import json
import shlex
from typing import Any

from nsml_cli import events
from nsml_cli.text import iso, when
from nsml_client import names
from nsml_client.client import Client
from nsml_core.errors import NotFound
from nsml_protos import session_pb2
from nsml_protos.gangs import members, node_count

Shape = dict[str, Any]


_LIVE = {session_pb2.QUEUED, session_pb2.ALLOCATED, session_pb2.RUNNING}


def get(client: Client, name: str, moment: names.Moment = names.NOW) -> session_pb2.Session:
    """Return one session, by USER/DATASET/N or DATASET/N, as it is or as it was."""
    return client.sessions.get(name, at=moment).info


def history(client: Client, name: str, after: int = 0) -> list[session_pb2.HistoryLine]:
    """Return the events of a session that are newer than one of them."""
    return client.sessions.named(name).history(after)


def rows(client: Client, request: session_pb2.ListSessionsRequest) -> list[session_pb2.SessionRow]:
    reply = client.call("Sessions/List", request, session_pb2.ListSessionsReply)
    return list(reply.sessions)


def find(client: Client, typed: list[str], *, live_only: bool) -> list[str]:
    """Return the names that were typed, patterns replaced by what they match, each once."""
    found: dict[str, None] = {}
    for text in typed:
        name = names.sessions(text, client.owner)
        if names.is_pattern(name):
            request = session_pb2.ListSessionsRequest(all=not live_only, pattern=name)
            matches = [row.session.name for row in rows(client, request)]
            if not matches:
                kind = "live session" if live_only else "session"
                raise NotFound(f"No {kind} matches {text!r}: `nsml ps -a` lists them.")
            found.update(dict.fromkeys(matches))
        else:
            found[name] = None
    return list(found)


def is_live(one: session_pb2.Session) -> bool:
    return one.status in _LIVE


def status(session: session_pb2.Session) -> str:
    """Return a status as people write it: Running."""
    return session_pb2.Status.Name(session.status).capitalize()


def state(one: session_pb2.Session) -> str:
    """Return the status for people; one that runs and does nothing is a zombie."""
    if not one.HasField("zombie_since"):
        return status(one)
    return f"Zombie (since {when(one.zombie_since)})"


def restarts(one: session_pb2.Session) -> str:
    """Return how often it went on by itself; empty if it may not."""
    return f"{one.restarts} of {one.spec.restarts}" if one.spec.restarts else ""


def status_line(one: session_pb2.Session) -> str:
    """Return the status, with the reason for whoever waits or has failed."""
    word = status(one)
    if one.status == session_pb2.RUNNING and one.stop_reason:
        return f"{word} (stopping)"
    if one.HasField("zombie_since"):
        return state(one)
    told = one.status in {session_pb2.QUEUED, session_pb2.FAILED, session_pb2.LOST}
    return f"{word} ({one.reason.rstrip('.')})" if told and one.reason else word


def session(row: session_pb2.SessionRow) -> Shape:
    """Return one line of `ps`."""
    one = row.session
    last = one.attempts[-1] if one.attempts else session_pb2.Attempt()
    return {
        "name": one.name,
        "owner": one.owner,
        "type": kind(one),
        "status": status(one),
        "reason": one.reason,
        "created": iso(one.created),
        "started": iso(last.started),
        "ended": iso(one.ended),
        "entry": one.spec.entry,
        "args": list(one.spec.args),
        "datasets": [f"{mount.dataset}@{mount.revision}" for mount in one.spec.datasets],
        "memo": one.memo,
        "tags": list(one.spec.tags),
        "gpus": one.spec.resources.gpus,
        "cpus": one.spec.resources.cpus,
        "memory_bytes": one.spec.resources.memory_bytes,
        "nodes": node_count(one.spec.resources),
        "node": last.node,
        "devices": list(last.devices),
        "members": [
            {"rank": one.rank, "node": one.node, "devices": list(one.devices)}
            for one in (members(last) if last.node else ())
        ],
        "attempt": last.number,
        "summary": dict(row.summary),
        "models": len(one.checkpoints),
        "bytes": one.spec.code_bytes + row.checkpoint_bytes,
        "parent": parent(one.parent) if one.HasField("parent") else None,
        "start": one.start.name if one.HasField("start") else None,
        "zombie_since": iso(one.zombie_since),
        "restarts": one.spec.restarts,
        "restarted": one.restarts,
    }


_PURPOSES = {
    session_pb2.Purpose.SUBMIT: "submit",
    session_pb2.Purpose.REHEARSE: "submit(test)",
    session_pb2.Purpose.INFER: "infer",
    session_pb2.Purpose.RESCORE: "rescore",
    session_pb2.Purpose.TRY: "check",
}


def kind(one: session_pb2.Session) -> str:
    if one.spec.HasField("purpose"):
        return _PURPOSES.get(one.spec.purpose.kind, "other")
    return "normal/fork" if one.HasField("parent") else "normal"


def parent(one: session_pb2.Parent) -> Shape:
    return {
        "session": one.session,
        "event": one.sequence,
        "checkpoint": one.checkpoint or None,
    }


def row(client: Client, one: session_pb2.Session, at_us: int = 0) -> session_pb2.SessionRow:
    """Return a session as `ps` knows it, or knew it at a time, with its summary."""
    request = session_pb2.ListSessionsRequest(
        all=True, pattern=one.name, owner=one.owner, at_us=at_us
    )
    stored = sum(point.bytes for point in one.checkpoints)
    whole = session_pb2.SessionRow(session=one, checkpoint_bytes=stored)
    for listed in rows(client, request):
        if listed.session.name == one.name:
            whole.summary.update(listed.summary)
    return whole


def whole_session(row: session_pb2.SessionRow, history: list[session_pb2.HistoryLine]) -> Shape:
    """Return everything known of a session."""
    one = row.session
    return {
        **session(row),
        "seed": one.spec.seed,
        "env": dict(one.spec.env),
        "config": json.loads(one.spec.config or "null"),
        "params": json.loads(one.spec.params or "null"),
        "job": job(one.spec) if one.spec.HasField("job") else None,
        "image": one.spec.image,
        "code_tree": one.spec.code_tree,
        "code_bytes": one.spec.code_bytes,
        "stop_reason": one.stop_reason,
        "stop_actor": one.stop_actor,
        "outcome": outcome(one.outcome) if one.HasField("outcome") else None,
        "attempts": [attempt(tried) for tried in one.attempts],
        "checkpoints": [checkpoint(point) for point in one.checkpoints],
        "history": [event(line) for line in history],
    }


def job(spec: session_pb2.Spec) -> Shape:
    asked = spec.job
    begins = f"{asked.input.session}:{asked.input.checkpoint}"
    return {
        "name": asked.name,
        "vm": asked.vm,
        "image": asked.image,
        "setup": asked.setup,
        "command": asked.command,
        "workspace_path": f"{asked.workspace_path}/{asked.folder}",
        "data_path": asked.data_path or None,
        "output_path": asked.output_path or None,
        "input": begins if asked.HasField("input") else None,
        "input_path": asked.input.path or None,
    }


def command(spec: session_pb2.Spec) -> str:
    """Return what runs, as it could be typed."""
    if spec.HasField("job"):
        return spec.job.command.strip()
    return shlex.join(["python", "-u", spec.entry, *spec.args])


def member(one: session_pb2.GangMember) -> Shape:
    return {
        "rank": one.rank,
        "node": one.node,
        "devices": list(one.devices),
        "address": one.address,
        "ready": iso(one.ready),
        "ended": iso(one.ended),
        "lost": one.lost,
        "message": one.outcome.message,
    }


def attempt(tried: session_pb2.Attempt) -> Shape:
    return {
        "number": tried.number,
        "node": tried.node,
        "devices": list(tried.devices),
        "members": [member(one) for one in tried.members],
        "placed": iso(tried.placed),
        "started": iso(tried.started),
        "ended": iso(tried.ended),
        "last_seen": iso(tried.last_seen),
        "environment": tried.environment,
        "python": tried.python,
        "packages": list(tried.packages),
    }


def outcome(ended: session_pb2.Outcome) -> Shape:
    return {
        "exit_code": ended.exit_code if ended.HasField("exit_code") else None,
        "signal": ended.signal if ended.HasField("signal") else None,
        "out_of_memory": ended.out_of_memory,
        "time_limit": ended.time_limit,
        "message": ended.message,
        "output_tree": ended.output_tree,
    }


def checkpoint(point: session_pb2.Checkpoint) -> Shape:
    return {
        "name": point.name,
        "saved": iso(point.saved),
        "attempt": point.attempt,
        "step": point.step if point.HasField("step") else None,
        "summary": dict(point.summary),
        "files": point.files,
        "bytes": point.bytes,
        "tree": point.tree,
    }


def event(line: session_pb2.HistoryLine) -> Shape:
    return {
        "sequence": line.sequence,
        "time": iso(line.time),
        "actor": line.actor,
        "event": line.event,
        "detail": line.detail,
        "request_id": line.request_id,
        "trace_id": trace_id(line.traceparent),
        "meaning": events.meaning(line.event, line.detail),
    }


def trace_id(traceparent: str) -> str:
    """Return the trace of a W3C `traceparent`; empty if there is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 else ""  # noqa: PLR2004 - version, trace, span, flags
