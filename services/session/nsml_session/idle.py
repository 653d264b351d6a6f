"""When a running session does nothing: what its samples say, and what is then decided."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos.session_pb2 import BecameZombie, Resources, Session, Status, Usage, WokeUp
from nsml_session import decide
from nsml_session.state import attempt_number

_SILENCE_US = 60_000_000
"""Between two samples, which come every 5 s: nobody knows what it did meanwhile."""

_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Rules:
    """What counts as doing nothing, and what is done about it."""

    after_seconds: float
    gpu_below: float
    """Of a GPU's time, 0..1."""

    cpu_below: float
    """Of the cores that it has, 0..1."""

    stops: bool
    grace_seconds: float
    """Between becoming a zombie and being stopped."""


@dataclass(frozen=True)
class Idleness:
    """An unbroken time of doing nothing, by the clock of the samples; it may be of no length."""

    since_us: int = 0
    """0: it works, or nothing is known."""

    until_us: int = 0
    by_gpu: bool = True
    """All its GPUs say so; else its use of CPUs does."""


def observe(before: Idleness, sample: Usage, has: Resources, rules: Rules) -> Idleness:
    """Add one sample: work ends idleness, and so does a time of which nothing is known."""
    devices = [used for used in sample.gpu_utilization if not isnan(used)]
    by_gpu = 0 < has.gpus <= len(devices)
    uses_cpu = sample.cpu_cores >= rules.cpu_below * max(1, has.cpus)
    if any(used >= rules.gpu_below for used in devices) or (uses_cpu and not by_gpu):
        return Idleness(0, sample.time_us)
    goes_on = before.since_us and 0 <= sample.time_us - before.until_us <= _SILENCE_US
    since = before.since_us if goes_on else sample.time_us
    return Idleness(since, sample.time_us, by_gpu)


def together(of_members: Iterable[Idleness]) -> Idleness:
    """Return since when all do nothing: one that works, or of which nothing is known, ends it."""
    each = list(of_members)
    return Idleness(
        max(one.since_us for one in each) if all(one.since_us for one in each) else 0,
        min(one.until_us for one in each),
        all(one.by_gpu for one in each),
    )


def judge(
    state: Session, *, attempt: int, idleness: Idleness, rules: Rules, actor: str
) -> list[Message]:
    """Say that a session became a zombie or woke up, or have it stopped."""
    if attempt != attempt_number(state) or state.status != Status.RUNNING:
        return []
    is_zombie = state.HasField("zombie_since")
    if not idleness.since_us:
        return [WokeUp(attempt=attempt)] if is_zombie else []
    idle_us = idleness.until_us - idleness.since_us
    if idle_us < rules.after_seconds * _SECOND_US:
        return []
    if not is_zombie:
        return [_became_zombie(state, idleness, rules)]
    if rules.stops and idle_us >= (rules.after_seconds + rules.grace_seconds) * _SECOND_US:
        reason = f"a zombie: it has done nothing for {_minutes(idle_us)}"
        return decide.stop(state, reason=reason, actor=actor)
    return []


def _became_zombie(state: Session, idleness: Idleness, rules: Rules) -> BecameZombie:
    since = Timestamp()
    since.FromMicroseconds(idleness.since_us)
    return BecameZombie(
        attempt=attempt_number(state), since=since, reason=_reason(state, idleness, rules)
    )


def _reason(state: Session, idleness: Idleness, rules: Rules) -> str:
    has = state.spec.resources
    if idleness.by_gpu:
        each = "its GPU is" if has.gpus == 1 else f"each of its {has.gpus} GPUs is"
        return f"{each} busy for less than {_percent(rules.gpu_below)} of the time"
    cores = "its CPU" if has.cpus <= 1 else f"its {has.cpus} CPUs"
    return f"it uses less than {_percent(rules.cpu_below)} of {cores}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _minutes(duration_us: int) -> str:
    seconds = duration_us // _SECOND_US
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"  # noqa: PLR2004
