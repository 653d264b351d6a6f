"""`nsml tree`: a family of sessions, by who was forked from whom."""

import shlex

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_protos import session_pb2

_COLUMNS = (
    Column("Session"),
    Column("Status", is_status=True),
    Column("Forked at", right=True),
    Column("From", may_cut=True),
    Column("Args", may_cut=True),
    Column("Description", may_cut=True),
)

Kin = tuple[str, session_pb2.Session]
"""The lines drawn before a session's name, and the session."""


@click.command()
@options.session
@options.as_json
def tree(*, name: str, as_json: bool) -> None:
    """Draw which sessions were forked from which, from the first one down.

    "Forked at" is an event of the session above, and "From" the checkpoint it had then.
    """
    family = [one.info for one in open_client().sessions.named(name).family()]
    if as_json:
        output.as_json([_shape(one) for one in family])
        return
    output.table(_COLUMNS, [_cells(drawn, one) for drawn, one in _draw(family)], "")


def _draw(family: list[session_pb2.Session]) -> list[Kin]:
    """Return the family in the order of the lines; a chain of forks may be as long as it likes."""
    known = {one.name for one in family}
    children: dict[str, list[session_pb2.Session]] = {}
    for one in family:
        above = one.parent.session if one.parent.session in known else ""
        children.setdefault(above, []).append(one)
    drawn: list[Kin] = []
    waiting = [("", "", one) for one in reversed(children.get("", []))]
    while waiting:
        lines, below, one = waiting.pop()
        drawn.append((lines, one))
        mine = children.get(one.name, [])
        waiting += [
            (f"{below}{'└── ' if child is mine[-1] else '├── '}",
             f"{below}{'    ' if child is mine[-1] else '│   '}", child)
            for child in reversed(mine)
        ]  # fmt: skip
    return drawn


def _cells(drawn: str, one: session_pb2.Session) -> list[str]:
    return [
        drawn + one.name,
        "Removed" if one.removed else sessions.status(one),
        str(one.parent.sequence or ""),
        one.parent.checkpoint,
        shlex.join(one.spec.args),
        one.memo,
    ]


def _shape(one: session_pb2.Session) -> Shape:
    return {
        "name": one.name,
        "status": "Removed" if one.removed else sessions.status(one),
        "parent": sessions.parent(one.parent) if one.HasField("parent") else None,
        "args": list(one.spec.args),
        "memo": one.memo,
    }
