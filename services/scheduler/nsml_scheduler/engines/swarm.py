"""The swarm engine: the nodes of a Docker Swarm.

A node joins when an administrator gives it the label `nsml.node=NAME`. Runners are jobs of the
Swarm, each pinned to its node. A Swarm does not fence: what runs on a node that is cut off runs on,
and it cannot tell. So nothing is gone before a job on the node itself has ended what was left.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Sequence

from google.protobuf.json_format import Parse

from nsml_core.errors import Unavailable
from nsml_core.settings import Settings
from nsml_protos.scheduler_pb2 import Node, NodeJoined
from nsml_scheduler.engines import swarm_jobs
from nsml_scheduler.engines.engine import Claim, Ticket
from nsml_scheduler.engines.swarm_api import Known, Member, Swarm, now

_LAST_WORDS_SECONDS = 60.0
"""So long a runner may take whose session holds nothing any more."""

_SETTLED_SECONDS = 10.0
"""What was made so long ago for who holds nothing is not for one that is being placed."""

_log = logging.getLogger("nsml.scheduler")


class SwarmEngine:
    """Starts runners as jobs of the Swarm whose manager's engine is named by `DOCKER_HOST`."""

    def __init__(self, settings: Settings) -> None:
        self._work = settings.work
        self._terms = swarm_jobs.read(str(settings.home))
        self._swarm = Swarm(self._terms)
        self._ids: dict[str, str] = {}
        self._described: dict[str, Member] = {}
        self._unheld: dict[str, float] = {}

    def nodes(self, known: Sequence[Node]) -> Sequence[NodeJoined]:
        """Return none at once: each is asked first what it has."""
        self._know(known)
        return ()

    def _know(self, known: Sequence[Node]) -> None:
        self._ids = {node.name: node.identity for node in known if not node.removed}

    async def joining(self, known: Sequence[Node]) -> Sequence[NodeJoined]:
        """Return nodes that have said what they have: new ones, and those whose labels changed."""
        self._know(known)
        members = await self._swarm.members()
        asked = [one for one in members if one.is_ready and swarm_jobs.NODE in one.labels]
        # Who was away, or lost the label, may come back as another.
        self._described = {
            one.id: self._described[one.id] for one in asked if one.id in self._described
        }
        jobs = await self._swarm.jobs()
        found = [await self._describe(member, jobs) for member in asked]
        return [joined for joined in found if joined is not None]

    async def _describe(self, member: Member, jobs: dict[str, Known]) -> NodeJoined | None:
        """Have a node say what it has: when it is new here, and when its labels have changed."""
        if self._described.get(member.id) == member:
            return None
        is_new = member.id not in self._ids.values()
        job = swarm_jobs.describing(self._terms, member.id, member.labels, is_new=is_new)
        known = jobs.get(job.name)
        if known is None:
            await self._swarm.begin(job)
        elif known.is_over:
            said = await self._swarm.output(known) if known.is_complete else ""
            await self._swarm.forget(known)
            if said:
                self._described[member.id] = member
                return _joined(member, said)
            _log.warning("%s does not say what it has: %s", member.hostname, known.said)
        return None

    async def warm(self) -> None:
        """Fetch nothing beforehand: nodes get the platform's image when it is deployed."""

    async def start(self, ticket: Ticket) -> None:
        """Start the runner of a claim as a job; asked again, nothing happens."""
        claim = ticket.claim
        if claim.node not in self._ids:
            raise Unavailable(f"{claim.node} is no node of the Swarm any more.")
        told = {
            "session": claim.session,
            "attempt": claim.attempt,
            "rank": claim.rank,
            "token": ticket.token,
            "work": str(self._work / claim.session / str(claim.attempt)),
            "env": {
                "NSML_REQUEST_ID": ticket.request_id,
                "TRACEPARENT": ticket.traceparent,
                **(await self._meeting(claim) if ticket.size > 1 else {}),
            },
        }
        node = self._ids[claim.node]
        job = swarm_jobs.runner(self._terms, claim, node, json.dumps(told).encode())
        await self._swarm.begin(job)

    async def _meeting(self, claim: Claim) -> dict[str, str]:
        """Return how what a member of a gang runs is found by the others."""
        network = await self._swarm.network(self._terms.names(claim)[2])
        return {
            "NSML_SANDBOX_NETWORK": network.name,
            "NSML_SANDBOX_ADDRESS": network.address(claim.rank),
        }

    async def gone(self, claims: Collection[Claim]) -> set[Claim]:
        """Return those of which a job on their node has confirmed that nothing runs there."""
        jobs = await self._swarm.jobs()
        cleared = await asyncio.gather(*(self._is_cleared(claim, jobs) for claim in claims))
        return {claim for claim, is_gone in zip(claims, cleared, strict=True) if is_gone}

    async def _is_cleared(self, claim: Claim, jobs: dict[str, Known]) -> bool:
        runner = jobs.get(self._terms.names(claim)[0])
        if runner is not None and not runner.is_over:
            return False
        job = swarm_jobs.clearing(self._terms, claim, self._ids.get(claim.node, ""))
        known = jobs.get(job.name)
        if known is None:
            await self._swarm.begin(job)
        elif known.is_over and not known.is_complete:
            await self._swarm.forget(known)  # and it is begun anew
        return known is not None and known.is_complete

    async def tidy(self, held: Collection[Claim]) -> None:
        """Take away the jobs and networks of who holds nothing any more."""
        jobs = {
            name: job
            for name, job in (await self._swarm.jobs()).items()
            if job.kind != swarm_jobs.DESCRIBING
        }
        networks = await self._swarm.networks()
        kept = {name for claim in held for name in self._terms.names(claim)}
        self._unheld = {
            name: self._unheld.get(name, now())
            for name in jobs.keys() | networks
            if name not in kept
        }
        for name, since in self._unheld.items():
            if name in networks and now() - since > _SETTLED_SECONDS:
                await self._swarm.dissolve(networks[name])
            elif name in jobs and (jobs[name].is_over or now() - since > _LAST_WORDS_SECONDS):
                await self._swarm.forget(jobs[name])

    async def heard(self, nodes: Collection[str]) -> set[str]:
        """Return those that the Swarm hears."""
        try:
            members = await self._swarm.members()
        except Unavailable as error:
            _log.warning("%s", error.sentence)
            return set()
        ready = {member.id for member in members if member.is_ready}
        return {name for name in nodes if self._ids.get(name) in ready}

    def was_claimed(self, claim: Claim) -> bool:  # noqa: ARG002 - the Swarm knows it by name
        """Say no: a job that is begun again is not begun a second time."""
        return False

    async def close(self) -> None:
        """Let go of the engine; what it has started goes on."""
        await self._swarm.close()


def _joined(member: Member, said: str) -> NodeJoined:
    joined = Parse(said.strip().splitlines()[-1], NodeJoined())
    joined.name, joined.identity = member.labels[swarm_jobs.NODE], member.id
    return joined
