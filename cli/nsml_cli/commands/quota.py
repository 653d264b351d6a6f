"""`nsml quota`: what an owner may hold at once and keep, and what they do."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.events import who
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import iso, size, when
from nsml_protos.scheduler_pb2 import QuotaReply

_COLUMNS = (Column("What"), Column("Held", right=True), Column("Limit", right=True))
_NONE = "none"
_HELD = ("gpus", "cpus", "memory_bytes", "sessions", "storage_bytes")


@click.group(invoke_without_command=True)
@click.option("--of", "owner", metavar="NAME", default="", help="Of somebody else; for admins.")
@options.team
@options.as_json
@click.pass_context
def quota(context: click.Context, *, owner: str, as_json: bool) -> None:
    """Show what you may hold at once, and hold."""
    if not context.invoked_subcommand:
        _show(open_client().policy.quota(owner), as_json=as_json)


@quota.command("set")
@click.argument("owner", metavar="[NAME]", default="")
@click.option("--everybody", is_flag=True, help="In place of NAME: all who have none of their own.")
@click.option("--gpus", metavar="N", type=options.Count(0), default=0, help="0, and unsaid: all.")
@click.option("--cpus", metavar="N", type=options.Count(0), default=0, help="As --gpus.")
@click.option("--memory", metavar="SIZE", default="0", help="Such as 170G.")
@click.option("--sessions", metavar="N", type=options.Count(0), default=0, help="At once.")
@click.option("--storage", metavar="SIZE", default="0", help="Data, checkpoints and outputs.")
@click.option("--high", is_flag=True, help="Its sessions may be of high priority.")
@options.as_json
def change(
    owner: str, *, everybody: bool, memory: str, storage: str, as_json: bool, **limits: int
) -> None:
    """Say what an owner may hold at once; for admins. What is not said has no limit.

    NAME alone: what counts for everybody counts for them again.
    """
    if bool(owner) == everybody:
        raise click.UsageError("Name an owner, or say --everybody.")
    reply = open_client().policy.set_quota(
        owner,
        gpus=limits["gpus"],
        cpus=limits["cpus"],
        memory=0 if memory == "0" else memory,
        sessions=limits["sessions"],
        storage=0 if storage == "0" else storage,
        high_priority=bool(limits["high"]),
    )
    _show(reply, as_json=as_json)


def _show(reply: QuotaReply, *, as_json: bool) -> None:
    if as_json:
        output.as_json(_shape(reply))
        return
    limit = reply.quota
    rows = [
        ["GPUs", str(reply.gpus), str(limit.gpus or _NONE)],
        ["CPUs", str(reply.cpus), str(limit.cpus or _NONE)],
        ["Memory", size(reply.memory_bytes), _size(limit.memory_bytes)],
        ["Sessions", str(reply.sessions), str(limit.sessions or _NONE)],
        ["Storage", size(reply.storage_bytes), _size(limit.storage_bytes)],
    ]
    output.facts([
        ("Owner", reply.owner or "everybody"),
        ("Quota", _whose(reply)),
        ("High priority", "yes" if limit.high_priority else "no"),
        ("Share of late", f"{reply.share:.1%}, weight {reply.weight:g}"),
    ])  # fmt: skip
    output.table(_COLUMNS, rows, "")


def _size(limit: int) -> str:
    return size(limit) if limit else _NONE


def _whose(reply: QuotaReply) -> str:
    if not reply.quota.set_by:
        return "none is set"
    of = "their own" if reply.is_own else "everybody's"
    return f"{of}, set by {who(reply.quota.set_by)} {when(reply.quota.set_at)}"


def _shape(reply: QuotaReply) -> Shape:
    limit = reply.quota
    held = {name: getattr(reply, name) for name in _HELD}
    limits = {name: getattr(limit, name) or None for name in held}
    return {
        "owner": reply.owner,
        "held": held,
        "limits": limits,
        "high_priority": limit.high_priority,
        "is_own": reply.is_own,
        "set_by": limit.set_by or None,
        "set_at": iso(limit.set_at) if limit.set_by else None,
        "share": reply.share,
        "weight": reply.weight,
    }
