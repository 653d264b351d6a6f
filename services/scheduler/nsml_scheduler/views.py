"""What may be seen of nodes and of the queue."""

from datetime import datetime

from nsml_core.tables import Column, StateTable, message_rows
from nsml_core.views import Schema, View
from nsml_protos.scheduler_pb2 import Node, Policy, Stints, Work
from nsml_scheduler.kept import KEPT_BY_SESSIONS, KEPT_DATA, total
from nsml_scheduler.state import NODE, WORK
from nsml_scheduler.stints import STINTS, until
from nsml_scheduler.terms import POLICY

NODES = StateTable("node", NODE)
POLICIES = StateTable("policy", POLICY)
USES = StateTable(
    "stints",
    STINTS,
    {"until": Column("timestamp", until)},
    indexes=("until",),
)
WORKS = StateTable("work", WORK, keep=lambda work: bool(work.session))
_KEPT = {
    "owner": Column("text", lambda kept: kept.owner),
    "bytes": Column("bigint", total),
}
DATA = StateTable("kept_data", KEPT_DATA, _KEPT, indexes=("owner",))
RESULTS = StateTable("kept_by_sessions", KEPT_BY_SESSIONS, _KEPT, indexes=("owner",))
SCHEMA = Schema(
    "scheduler",
    ("nsml.scheduler.>", "nsml.session.>", "nsml.dataset.>"),
    (NODES, POLICIES, WORKS, USES, DATA, RESULTS),
    version=3,
)


async def live_works(view: View) -> list[Work]:
    """Return every session that waits or holds room."""
    return message_rows(await view.pool.fetch("select state from scheduler.work"), Work)


async def known_nodes(view: View) -> list[Node]:
    """Return the nodes that have joined."""
    return message_rows(await view.pool.fetch("select state from scheduler.node"), Node)


async def known_policy(view: View) -> Policy:
    """Return what admins have set."""
    found = message_rows(await view.pool.fetch("select state from scheduler.policy"), Policy)
    return found[0] if found else Policy()


async def recent_stints(view: View, since: datetime) -> list[Stints]:
    """Return the sessions that held room after a time, and when."""
    query = "select state from scheduler.stints where until > $1"
    return message_rows(await view.pool.fetch(query, since.replace(tzinfo=None)), Stints)


async def kept_by(view: View, owner: str) -> int:
    """Return how many bytes an owner keeps in the store."""
    query = (
        "select coalesce(sum(bytes), 0)::bigint from ("
        "select bytes from scheduler.kept_data where owner = $1 union all "
        "select bytes from scheduler.kept_by_sessions where owner = $1) as kept"
    )
    return int(await view.pool.fetchval(query, owner))
