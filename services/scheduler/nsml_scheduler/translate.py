"""Nodes, sessions and the policy in the words of the planner, which knows no messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos.gangs import node_count
from nsml_protos.scheduler_pb2 import Node, Policy, Work
from nsml_protos.session_pb2 import Resources
from nsml_scheduler.classes import lets_stop, rank
from nsml_scheduler.policy.model import Ask, Gpu, Host, Job, Part, Rules
from nsml_scheduler.terms import HALF_LIFE_SECONDS, MINIMUM_RUN_SECONDS, weights


def host_of(node: Node) -> Host:
    """Return a node as the planner sees it."""
    gpus = tuple(Gpu(device.id, device.model, device.memory_bytes) for device in node.devices)
    return Host(
        node.name,
        node.cpus,
        node.memory_bytes,
        gpus,
        zone=node.zone,
        labels=frozenset(f"{name}={value}" for name, value in node.labels.items()),
        cordoned=node.cordoned or node.HasField("lost"),
    )


def job_of(work: Work, policy: Policy) -> Job:
    """Return a session as the planner sees it, by what the policy says of its class."""
    return Job(
        work.session,
        work.owner,
        ask=ask_of(work.resources),
        members=node_count(work.resources),
        priority=rank(policy, work),
        submitted=seconds(work.queued),
        waiting_since=seconds(work.waiting_since),
        attained_seconds=work.attained_ms / 1000,
        saved_seconds=_saved(work),
        preemptible=lets_stop(policy, work),
        stops=work.preemptions,
        time_limit=work.resources.time_limit_seconds,
    )


def _saved(work: Work) -> float:
    """Return how much of its work a checkpoint holds; of one that was preempted, all that is."""
    kept = work.attained_ms / 1000
    if work.HasField("saved") and work.HasField("started"):
        kept += max(seconds(work.saved) - seconds(work.started), 0.0)
    return kept


def ask_of(resources: Resources) -> Ask:
    """Return what a session needs on each of its nodes as the planner sees it."""
    return Ask(resources.gpus, resources.cpus, resources.memory_bytes)


def parts_of(work: Work) -> tuple[Part, ...]:
    """Return the room that a session holds as the planner sees it."""
    ask = ask_of(work.resources)
    if not work.members:  # as most: no message is made for it
        return (Part(work.node, tuple(work.devices), ask),)
    return tuple(Part(member.node, tuple(member.devices), ask) for member in work.members)


def rules_of(policy: Policy) -> Rules:
    """Return the policy as the planner sees it."""
    has_minimum = policy.HasField("minimum_run_seconds")
    return Rules(
        order="levels",
        preempt=not policy.preemption_off,
        weights=weights(policy),
        half_life_seconds=policy.half_life_seconds or HALF_LIFE_SECONDS,
        minimum_run_seconds=(policy.minimum_run_seconds if has_minimum else MINIMUM_RUN_SECONDS),
    )


def seconds(time: Timestamp) -> float:
    """Return a time in seconds since 1970."""
    return time.ToNanoseconds() / 1e9


def timestamp(time: float) -> Timestamp:
    """Return a time as messages have it."""
    found = Timestamp()
    found.FromNanoseconds(int(time * 1e9))
    return found
