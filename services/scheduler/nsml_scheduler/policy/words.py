"""What people read: why a job waits, and why one could never run."""

from collections.abc import Iterable

from nsml_scheduler.policy.fleet import Fleet, could_hold
from nsml_scheduler.policy.model import Ask, Host, Job

_GB = 1 << 30  # as sizes are typed and shown everywhere


def reason(fleet: Fleet, job: Job) -> str:
    """Return why this job has no room now."""
    if len(job.asks) > 1:
        return f"waits for {len(job.asks)} nodes at once, each with {words(job.ask)}"
    able = [room.host for room in fleet.rooms.values() if could_hold(room.host, job.ask)]
    if able and all(host.cordoned for host in able):
        return f"waits for node {min(host.name for host in able)}, which takes nothing new now"
    free = fleet.most_free(job.ask)
    if free < job.ask.gpus:
        return f"needs {gpus(job.ask.gpus)}, {free} free"
    return f"waits for {words(job.ask)}"


def largest(hosts: Iterable[Host], ask: Ask, members: int = 1) -> str:
    """Return why a job of this size could never run; empty if it could."""
    hosts = list(hosts)
    able = sum(could_hold(host, ask) for host in hosts)
    if able >= members:
        return ""
    if able:
        nodes = f"{able} node{'s' * (able > 1)}"
        return f"Only {nodes} can hold {words(ask)}, and {members} are asked for at once."
    most = max((len(host.gpus) for host in hosts), default=0)
    cpus = max((host.cpus for host in hosts), default=0)
    memory = max((host.memory_bytes for host in hosts), default=0)
    return (
        f"No node has {words(ask)}: the largest have {most} GPUs, {cpus} CPUs "
        f"and {memory / _GB:.2f} GB of memory."
    )


def gpus(count: int) -> str:
    return f"{count} GPU{'s' * (count > 1)}"


def words(ask: Ask) -> str:
    said = [gpus(ask.gpus)] if ask.gpus else []
    said += [f"{ask.cpus} CPU{'s' * (ask.cpus > 1)}"] if ask.cpus else []
    said += [f"{ask.memory_bytes / _GB:.2f} GB of memory"] if ask.memory_bytes else []
    return ", ".join(said) or "room"
