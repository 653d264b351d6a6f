"""`nsml policy`: how the queue is ordered, and who said so."""

from typing import Any

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.events import who
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import duration, iso, size, when
from nsml_client import names
from nsml_protos.scheduler_pb2 import Policy, PriorityClass, Quota

_DAY, _WAIT, _RUN = 86_400, 30, 60
_QUOTAS = (
    Column("Owner"),
    Column("GPUs", right=True),
    Column("CPUs", right=True),
    Column("Memory", right=True),
    Column("Sessions", right=True),
    Column("Storage", right=True),
    Column("High"),
    Column("Set by"),
    Column("Set"),
)
_CLASSES = (
    Column("Class"),
    Column("Rank", right=True),
    Column("Preemptible"),
    Column("GPUs at once", right=True),
    Column("For"),
    Column("Set by"),
    Column("Set"),
)
_WEIGHTS = (Column("Owner"), Column("Weight", right=True), Column("Set by"), Column("Set"))


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def policy(context: click.Context, *, as_json: bool) -> None:
    """Show how the queue is ordered, and by whom that was set."""
    if not context.invoked_subcommand:
        _show(open_client().policy.get(), as_json=as_json)


@policy.command("set")
@click.option("--preemption", type=click.Choice(["on", "off"]), help="May anybody be stopped?")
@click.option("--half-life", metavar="TIME", help="Of use in the past; a day.")
@click.option("--checkpoint-wait", metavar="TIME", help="For a checkpoint before a stop; 30s.")
@click.option("--minimum-run", metavar="TIME", help="Nobody is stopped before; 60s.")
@click.option("--weight", "weights", metavar="NAME=N", multiple=True, help="Others have 1.")
@options.as_json
def change(*, as_json: bool, weights: tuple[str, ...], **given: Any) -> None:
    """Change how the queue is ordered; for admins."""
    client = open_client()
    asked = dict(map(_weight, weights))
    changed = {
        f"{name}_seconds": _seconds(given[name])
        for name in ("half_life", "checkpoint_wait", "minimum_run")
        if given[name] is not None
    }
    on = None if given["preemption"] is None else given["preemption"] == "on"
    if not changed and on is None and not asked:
        raise click.UsageError("Say what to change: nsml policy set --help.")
    after = client.policy.set(preemption=on, **changed) if changed or on is not None else None
    for owner, weight in asked.items():
        after = client.policy.weigh(owner, weight)
    _show(after or client.policy.get(), as_json=as_json)


@policy.group("class")
def classes() -> None:
    """Priority classes beside low, normal and high; for admins."""


@classes.command("set")
@click.argument("name")
@click.option("--rank", type=click.IntRange(-1000, 1000), required=True, help="Normal has 0.")
@click.option("--preemptible", is_flag=True, help="Any session may have its sessions' room.")
@click.option("--max-gpus", metavar="N", type=options.Count(0), default=0, help="All together.")
@click.option("--who", metavar="NAME", multiple=True, help="May be in it; may be repeated.")
@options.as_json
def set_class(
    name: str, *, rank: int, preemptible: bool, max_gpus: int, who: tuple[str, ...], as_json: bool
) -> None:
    """Name a class, or change it: high has the rank 100, low has -100. What is not said is not so.

    `nsml run --priority NAME` is in it.
    """
    policy = open_client().policy
    after = policy.set_class(name, rank=rank, preemptible=preemptible, max_gpus=max_gpus, who=who)
    _show(after, as_json=as_json)


@classes.command("rm")
@click.argument("name")
@options.as_json
def remove_class(name: str, *, as_json: bool) -> None:
    """Let a class go; what is in it is as normal from then on."""
    _show(open_client().policy.remove_class(name), as_json=as_json)


def _seconds(text: str) -> int:
    return 0 if text in {"0", "0s"} else names.seconds(text)


def _weight(text: str) -> tuple[str, float]:
    owner, _, number = text.partition("=")
    try:
        return owner, float(number)
    except ValueError:
        raise click.UsageError(f"{text!r} is no weight: write it like ann=2.") from None


def _show(found: Policy, *, as_json: bool) -> None:
    if as_json:
        output.as_json(_shape(found))
        return
    by = f"{who(found.set_by)} {when(found.set_at)}" if found.set_by else "nobody: these are given"
    output.facts([
        ("Preemption", "off" if found.preemption_off else "on"),
        ("Half-life of use", duration(found.half_life_seconds or _DAY)),
        ("Wait for a checkpoint", duration(found.checkpoint_wait_seconds or _WAIT)),
        ("Minimum run", duration(_minimum(found))),
        ("Set by", by),
    ])  # fmt: skip
    if found.classes:
        output.heading("Classes")
        output.table(_CLASSES, [_class(one) for one in found.classes], "")
    if found.quotas:
        output.heading("Quotas")
        output.table(_QUOTAS, [_quota(one) for one in found.quotas], "")
    if found.weights:
        output.heading("Weights")
        rows = [[w.owner, f"{w.weight:g}", who(w.set_by), when(w.set_at)] for w in found.weights]
        output.table(_WEIGHTS, rows, "")


def _minimum(found: Policy) -> int:
    return found.minimum_run_seconds if found.HasField("minimum_run_seconds") else _RUN


def _class(one: PriorityClass) -> list[str]:
    return [
        one.name,
        str(one.rank),
        "yes" if one.preemptible else "",
        str(one.max_gpus or ""),
        ", ".join(one.who) or "everybody",
        who(one.set_by),
        when(one.set_at),
    ]


def _quota(one: Quota) -> list[str]:
    return [
        one.owner or "everybody",
        str(one.gpus or ""),
        str(one.cpus or ""),
        size(one.memory_bytes) if one.memory_bytes else "",
        str(one.sessions or ""),
        size(one.storage_bytes) if one.storage_bytes else "",
        "yes" if one.high_priority else "",
        who(one.set_by),
        when(one.set_at),
    ]


def _shape(found: Policy) -> Shape:
    return {
        "preemption": not found.preemption_off,
        "half_life_seconds": found.half_life_seconds or _DAY,
        "checkpoint_wait_seconds": found.checkpoint_wait_seconds or _WAIT,
        "minimum_run_seconds": _minimum(found),
        "set_by": found.set_by or None,
        "set_at": iso(found.set_at) if found.set_by else None,
        "classes": list(map(_class_shape, found.classes)),
        "quotas": [
            {
                "owner": one.owner or None,
                "gpus": one.gpus or None,
                "cpus": one.cpus or None,
                "memory_bytes": one.memory_bytes or None,
                "sessions": one.sessions or None,
                "storage_bytes": one.storage_bytes or None,
                "high_priority": one.high_priority,
                "set_by": one.set_by,
                "set_at": iso(one.set_at),
            }
            for one in found.quotas
        ],
        "weights": [
            {
                "owner": one.owner,
                "weight": one.weight,
                "set_by": one.set_by,
                "set_at": iso(one.set_at),
            }
            for one in found.weights
        ],
    }


def _class_shape(one: PriorityClass) -> Shape:
    return {
        "name": one.name,
        "rank": one.rank,
        "preemptible": one.preemptible,
        "max_gpus": one.max_gpus or None,
        "who": list(one.who),
        "set_by": one.set_by,
        "set_at": iso(one.set_at),
    }
