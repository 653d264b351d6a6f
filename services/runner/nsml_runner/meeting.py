"""Where the processes of one session meet, on one node or on several."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence

from nsml_core.errors import Invalid, Unavailable
from nsml_protos import session_pb2
from nsml_protos.gangs import members
from nsml_runner.attempts import Attempts

HOST = "127.0.0.1"
PORTS = 2
"""Of each member: one for `MASTER_PORT`, one for `PARALLEL_PORTS`."""

_PROCESSES_MAX = 1024


def address(environ: Mapping[str, str] = os.environ) -> str:
    """Return where others find this node, as its administrator or its engine has set it."""
    return environ.get("NSML_NODE_ADDRESS") or HOST


def patience_seconds(environ: Mapping[str, str] = os.environ) -> int:
    """Return how long a member that is ready waits for the others of its gang."""
    text = environ.get("NSML_MEETING_SECONDS") or "1800"
    if not text.isdecimal() or not int(text):
        raise Invalid(f"NSML_MEETING_SECONDS is a whole number above 0, not '{text}'.")
    return int(text)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def processes(spec: session_pb2.Spec) -> int:
    """Return how many processes each node is to have: one for each GPU, unless it is said."""
    chosen = spec.env.get("NPROC_PER_NODE", "")
    if not chosen:
        return spec.resources.gpus or 1
    if not chosen.isdecimal() or not 0 < int(chosen) <= _PROCESSES_MAX:
        raise Invalid(f"NPROC_PER_NODE is a number from 1 to {_PROCESSES_MAX}, not '{chosen}'.")
    return int(chosen)


def first_rank(assignment: session_pb2.Assignment) -> int:
    """Return the rank, among all processes of the session, of the first one on this node."""
    return assignment.rank and assignment.rank * processes(assignment.session.spec)


async def meet(
    attempts: Attempts, assignment: session_pb2.Assignment, ready: session_pb2.MemberReady
) -> None:
    """Wait until all members are ready; the assignment says then where each of them is."""
    room = assignment.session.attempts[-1]
    patience = patience_seconds()
    try:
        async with asyncio.timeout(patience):
            while not (reply := await attempts.meet(ready)).all:
                del room.members[:]
                room.members.extend(reply.members)
    except TimeoutError:
        missing = [one for one in room.members if not one.HasField("ready")]
        late = [f"rank {one.rank} on {one.node}" for one in missing]
        raise Unavailable(
            f"It waited {patience} s for {', '.join(late) or 'the others'} to be ready."
        ) from None
    del room.members[:]
    room.members.extend(reply.members)


def meeting(assignment: session_pb2.Assignment) -> dict[str, str]:
    """Return the hosts of a session, a port on each, and which of them this is.

    On one node scripts make one process for each GPU, and let them meet at the first host. One has
    nobody to meet, and scripts tell that by a list without hosts.
    """
    room = members(assignment.session.attempts[-1]) if assignment.session.attempts else ()
    if len(room) > 1:
        return {**_world([(one.address, one.ports[1]) for one in room], assignment.rank)} | (
            torchrun(assignment)
        )
    is_parallel = assignment.session.spec.resources.gpus > 1
    return _world([(HOST, free_port())] if is_parallel else [], 0)


def _world(hosts: Sequence[tuple[str, int]], rank: int) -> dict[str, str]:
    return {
        "NSML_PARALLEL_WORLD": ",".join(host for host, _ in hosts),
        "NSML_PARALLEL_PORTS": ",".join(str(port) for _, port in hosts),
        "NSML_RANK": str(rank),
    }


def torchrun(assignment: session_pb2.Assignment) -> dict[str, str]:
    """Return how a process finds its place among all, by the names that torchrun has for it.

    The process that is started on a node stands for the first of those that the node is to have.
    """
    each = processes(assignment.session.spec)
    room = members(assignment.session.attempts[-1]) if assignment.session.attempts else ()
    nodes = max(len(room), 1)
    is_gang = nodes > 1
    return {
        "MASTER_ADDR": room[0].address if is_gang else HOST,
        "MASTER_PORT": str(room[0].ports[0] if is_gang else free_port()),
        "NNODES": str(nodes),
        "NUM_NODES": str(nodes),
        "NODE_RANK": str(assignment.rank),
        "NPROC_PER_NODE": str(each),
        "WORLD_SIZE": str(nodes * each),
        "RANK": str(first_rank(assignment)),
        "LOCAL_RANK": "0",
    }
