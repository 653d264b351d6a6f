"""The events of a session in plain words."""

import json
import shlex
from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_cli.text import clock, counted, size, summary

Detail = dict[str, Any]


def meaning(event: str, detail: str) -> str:
    """Return what an event means; one that this version does not know is shown as it is."""
    words = WORDS.get(event)
    return words(json.loads(detail)) if words else f"{event} {detail}"


def who(actor: str) -> str:
    """Return `user:ann` as ann, and `runner:ann/mnist/3#2` as runner 2."""
    kind, _, name = actor.partition(":")
    return f"runner {name.rpartition('#')[2]}" if kind == "runner" else name or actor


def _requested(detail: Detail) -> str:
    spec = detail.get("spec", {})
    words = [f"asked for: {shlex.join([spec.get('entry', ''), *spec.get('args', ())])}"]
    mounts = [f"{one['dataset']}@{one['revision']}" for one in spec.get("datasets", ())]
    if mounts:
        words.append(f"on {' '.join(mounts)}")
    words.append(f"with {resources(spec.get('resources', {}))}")
    if parent := detail.get("parent"):
        words.append(f"as a fork of {parent['session']} at event {parent['sequence']}")
    return f"{' '.join(words)}, {_start(detail)}"


def resources(need: Detail) -> str:
    """Return such as "1 GPU, 4 CPUs, 8.00 GB", of a gang with its nodes."""
    parts = [_count(need.get("gpus", 0), "GPU"), _count(need.get("cpus", 0), "CPU")]
    if memory := int(need.get("memory_bytes", 0)):
        parts.append(size(memory))
    nodes = need.get("nodes", 1)
    return ", ".join(parts) + (f" on each of {nodes} nodes" if nodes > 1 else "")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _start(detail: Detail) -> str:
    start = detail.get("start")
    return f"from checkpoint {start['name']}" if start else "from the beginning"


def _resumed(detail: Detail) -> str:
    after = detail.get("attempt", 0)
    before = f"after attempt {after}" if after else "though it had not run yet"
    by_itself = "by itself " if detail.get("by_itself") else ""
    if detail.get("preempted"):
        return f"waits for room again, to go on {_start(detail)}"
    anew = ", its environment resolved anew" if detail.get("new_environment") else ""
    return f"resumed {by_itself}{before}, {_start(detail)}{anew}"


def _waiting(detail: Detail) -> str:
    reason = _sentence(detail.get("reason", ""))
    said = reason if reason.startswith("waits") else f"waits: {reason}"
    if position := detail.get("position"):
        said += f" (number {position} of {detail.get('queue_length', position)})"
    return said


def _placed(detail: Detail) -> str:
    members = detail.get("members") or [detail]
    rooms = [f"node {one.get('node')} {_with_gpus(one)}" for one in members]
    because = f": {detail['because']}" if detail.get("because") else ""
    return f"placed on {' and '.join(rooms)} as attempt {detail.get('attempt')}{because}"


def _with_gpus(member: Detail) -> str:
    devices = member.get("devices", [])
    return f"with GPU {', '.join(devices)}" if devices else "without GPUs"


def _rank(detail: Detail) -> str:
    return f"rank {detail.get('rank', 0)}"


def _member_ready(detail: Detail) -> str:
    return f"{_rank(detail)} is ready at {detail.get('address')}"


def _member_ended(detail: Detail) -> str:
    outcome = detail.get("outcome", {})
    if detail.get("stopped"):
        return f"{_rank(detail)} was stopped"
    said = _sentence(outcome.get("message", ""))
    return f"{_rank(detail)} failed: {said}" if said else f"{_rank(detail)} ended well"


def _member_lost(detail: Detail) -> str:
    heard = f", last heard at {_clock(detail['last_seen'])}" if "last_seen" in detail else ""
    return f"{_rank(detail)} is lost: {_sentence(detail.get('reason', ''))}{heard}"


def _started(detail: Detail) -> str:
    packages = len(detail.get("packages", ()))
    having = f", with {counted(packages, 'package')}" if packages else ""
    return f"its code started as attempt {detail.get('attempt')}{having}"


def _checkpoint_saved(detail: Detail) -> str:
    point = detail.get("checkpoint", {})
    values = {name: float(value) for name, value in point.get("summary", {}).items()}
    known = [size(int(point.get("bytes", 0))), *([summary(values)] if values else [])]
    return f"saved checkpoint {point.get('name')}: {', '.join(known)}"


def _completed(detail: Detail) -> str:
    return f"ended well, as attempt {detail.get('attempt')}{_kept(detail)}"


def _failed(detail: Detail) -> str:
    said = _sentence(detail.get("outcome", {}).get("message", "")) or "it does not say why"
    return f"failed: {said}{_kept(detail)}"


def _stopped(detail: Detail) -> str:
    return f"stopped: {_sentence(detail.get('reason', ''))}{_kept(detail)}"


def _kept(detail: Detail) -> str:
    return "; its output is kept" if detail.get("outcome", {}).get("output_tree") else ""


def _lost(detail: Detail) -> str:
    heard = f", last heard at {_clock(detail['last_seen'])}" if "last_seen" in detail else ""
    return f"lost: {_sentence(detail.get('reason', ''))}{heard}"


def _stop_requested(detail: Detail) -> str:
    asked = "asked to make room" if detail.get("requeue") else "asked to stop"
    return f"{asked}: {_sentence(detail.get('reason', ''))}"


def _preempted(detail: Detail) -> str:
    kept = detail.get("kept_until")
    lost = f"what it did after {_clock(kept)} is lost" if kept else "it had not begun"
    return f"made room: {_sentence(detail.get('reason', ''))}; {lost}"


def _became_zombie(detail: Detail) -> str:
    since = _clock(detail.get("since", ""))
    return f"a zombie, which does nothing since {since}: {_sentence(detail.get('reason', ''))}"


def _notified(detail: Detail) -> str:
    about = detail.get("about", "")
    return (
        f"its owner was told by {', '.join(detail.get('channels', ()))} {_NEWS.get(about, about)}"
    )


def _clock(time: str) -> str:
    stamp = Timestamp()
    stamp.FromJsonString(time or "1970-01-01T00:00:00Z")
    return clock(stamp)


def _memo(detail: Detail) -> str:
    return f"its memo is now {detail['memo']!r}" if detail.get("memo") else "its memo was cleared"


def _evaluated(detail: Detail) -> str:
    lines = detail.get("code", "").strip().split("\n")
    at_once = ", at once" if detail.get("now") else ""
    return f"Python was evaluated in it{at_once}: {lines[0]}{' …' if lines[1:] else ''}"


def _entered(detail: Detail) -> str:
    command = shlex.join(detail.get("command", ()))
    return f"entered with {command}" if command else "entered with a shell"


def _sentence(text: str) -> str:
    return text.rstrip(".")


_NEWS = {
    "BecameZombie": "that it does nothing",
    "Lost": "that it was lost",
    "Stopped": "that it was stopped",
    "Failed": "that it failed",
}

WORDS: dict[str, Callable[[Detail], str]] = {
    "Requested": _requested,
    "Resumed": _resumed,
    "Waiting": _waiting,
    "Placed": _placed,
    "Started": _started,
    "MemberReady": _member_ready,
    "MemberEnded": _member_ended,
    "MemberLost": _member_lost,
    "CheckpointSaved": _checkpoint_saved,
    "CheckpointRemoved": lambda detail: f"checkpoint {detail.get('name')} was removed",
    "StopRequested": _stop_requested,
    "Completed": _completed,
    "Failed": _failed,
    "Stopped": _stopped,
    "Lost": _lost,
    "Preempted": _preempted,
    "BecameZombie": _became_zombie,
    "WokeUp": lambda _: "works again",
    "Notified": _notified,
    "MemoChanged": _memo,
    "Evaluated": _evaluated,
    "Entered": _entered,
    "Removed": lambda _: "removed, with its logs and models",
}
"""What each event means, by its name."""
