"""Who has to wait whatever room there is: for sessions to end, or because of a quota."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from nsml_protos.gangs import node_count
from nsml_protos.scheduler_pb2 import Policy, Quota, Work
from nsml_protos.session_pb2 import Priority, Resources
from nsml_scheduler.classes import Held
from nsml_scheduler.terms import quota_of

_GB = 1 << 30  # as sizes are typed and shown everywhere


@dataclass
class Amount:
    """What an owner holds."""

    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0
    sessions: int = 0

    def add(self, need: Resources) -> None:
        """Count one more session."""
        self.gpus += need.gpus * node_count(need)
        self.cpus += need.cpus * node_count(need)
        self.memory_bytes += need.memory_bytes * node_count(need)
        self.sessions += 1


def held_by_owner(holding: Iterable[Work]) -> dict[str, Amount]:
    """Return what each owner holds."""
    held: defaultdict[str, Amount] = defaultdict(Amount)
    for work in holding:
        held[work.owner].add(work.resources)
    return held


def held_back(
    queue: Iterable[Work], holding: Iterable[Work], policy: Policy, ended_well: Collection[str]
) -> dict[str, str]:
    """Return those who may not start yet, and why; all others may start together."""
    holding = list(holding)
    held = defaultdict(Amount, held_by_owner(holding))
    by_class = Held(policy, holding)
    back = {}
    for work in queue:
        first = next((name for name in work.after if name not in ended_well), None)
        if first is not None:
            back[work.session] = f"waits for {first} to end"
            continue
        reason = beyond(quota_of(policy, work.owner), held[work.owner], work.resources)
        full = by_class.full(work)
        if reason:
            back[work.session] = f"waits: {work.owner} may have {reason} at once"
        elif full:
            back[work.session] = full
        else:
            held[work.owner].add(work.resources)
            by_class.add(work)
    return back


def beyond(quota: Quota, held: Amount, need: Resources) -> str:
    """Return the limit that one more session would break; empty if there is none."""
    after = replace(held)
    after.add(need)
    if quota.gpus and need.gpus and after.gpus > quota.gpus:
        return _count(quota.gpus, "GPU")
    if quota.cpus and after.cpus > quota.cpus:
        return _count(quota.cpus, "CPU")
    if quota.memory_bytes and after.memory_bytes > quota.memory_bytes:
        return f"{quota.memory_bytes / _GB:.2f} GB of memory"
    if quota.sessions and held.sessions >= quota.sessions:
        return _count(quota.sessions, "session")
    return ""


def never(policy: Policy, owner: str, need: Resources, priority: Priority.ValueType) -> str:
    """Return why an owner could never have a session like this; empty if they could."""
    quota = quota_of(policy, owner)
    limit = beyond(quota, Amount(), need)
    if limit:
        return (
            f"{owner} may have {limit} at once: ask for less, or an admin for more; "
            "`nsml quota` shows what you may have."
        )
    if quota.memory_bytes and not need.memory_bytes:
        return (
            f"{owner} may have {quota.memory_bytes / _GB:.2f} GB of memory at once: "
            "say with --memory how much of it this session may take."
        )
    if priority == Priority.HIGH and not quota.high_priority:
        return "High priority is for admins, and for those to whom one gave it by `nsml quota set`."
    return ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
