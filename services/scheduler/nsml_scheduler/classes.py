"""Priority classes: those that admins name beside low, normal and high."""

import re
from collections.abc import Iterable

from google.protobuf.message import Message

from nsml_core.errors import Invalid
from nsml_protos.gangs import node_count
from nsml_protos.scheduler_pb2 import ClassRemoved, ClassSet, Policy, PriorityClass, Work
from nsml_protos.session_pb2 import Priority, Resources

BUILT_IN = {Priority.LOW: -100, Priority.NORMAL: 0, Priority.HIGH: 100}
_GIVEN = ("low", "normal", "high")
_RANK_MAX = 1000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def set_class(state: Policy, asked: PriorityClass, actor: str) -> list[Message]:
    """Name a class, or change what it is."""
    if asked.name in _GIVEN or not _NAME.fullmatch(asked.name):
        raise Invalid(
            f"{asked.name[:50]!r} cannot be a class's name: it has up to 20 small letters, digits "
            "and -, begins with a letter, and is none of low, normal and high."
        )
    if abs(asked.rank) > _RANK_MAX:
        raise Invalid(f"A rank is from -{_RANK_MAX} to {_RANK_MAX}; normal has 0.")
    plain = PriorityClass()
    plain.CopyFrom(asked)
    plain.ClearField("set_by")
    plain.ClearField("set_at")
    plain.who[:] = sorted(set(asked.who))
    known = PriorityClass()
    known.CopyFrom(named(state, asked.name) or known)
    known.ClearField("set_by")
    known.ClearField("set_at")
    return [] if plain == known else [ClassSet(priority_class=plain, actor=actor)]


def remove_class(state: Policy, name: str, actor: str) -> list[Message]:
    """Let a class go: what waits or runs in it is as normal from then on; one that is gone is."""
    return [] if named(state, name) is None else [ClassRemoved(name=name, actor=actor)]


def named(policy: Policy, name: str) -> PriorityClass | None:
    """Return the class of this name."""
    return next((one for one in policy.classes if one.name == name), None)


def rank(policy: Policy, work: Work) -> int:
    """Return how far before others its class comes."""
    found = named(policy, work.resources.priority_class)
    return found.rank if found else BUILT_IN.get(work.priority, 0)


def lets_stop(policy: Policy, work: Work) -> bool:
    """Return whether any session may have its room: its owner said so, or its class does."""
    found = named(policy, work.resources.priority_class)
    return work.preemptible or bool(found and found.preemptible)


def refusal(policy: Policy, owner: str, need: Resources, *, admin: bool) -> str:
    """Return why an owner may not have a session in its class; empty if they may."""
    name = need.priority_class
    found = named(policy, name)
    if not name:
        return ""
    if found is None:
        names = ", ".join([*_GIVEN, *sorted(one.name for one in policy.classes)])
        return f"There is no priority {name[:50]!r}: it is one of {names}."
    if found.who and owner not in found.who and not admin:
        return f"Class {name} is not for {owner}: an admin says for whom it is."
    if found.max_gpus and _gpus(need) > found.max_gpus:
        return f"Sessions of class {name} may have {found.max_gpus} GPUs at once: ask for less."
    return ""


def _gpus(need: Resources) -> int:
    return need.gpus * node_count(need)


class Held:
    """How many GPUs the sessions of each class have."""

    def __init__(self, policy: Policy, holding: Iterable[Work]) -> None:
        self._policy = policy
        self._gpus: dict[str, int] = {}
        for work in holding:
            self.add(work)

    def add(self, work: Work) -> None:
        """Count one more session."""
        name = work.resources.priority_class
        self._gpus[name] = self._gpus.get(name, 0) + _gpus(work.resources)

    def full(self, work: Work) -> str:
        """Return why one more session has to wait; empty if its class has room."""
        found = named(self._policy, work.resources.priority_class)
        if found is None or not found.max_gpus or not work.resources.gpus:
            return ""
        if self._gpus.get(found.name, 0) + _gpus(work.resources) <= found.max_gpus:
            return ""
        return f"waits: class {found.name} may have {found.max_gpus} GPUs at once"
