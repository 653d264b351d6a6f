"""The cluster as the scheduler sees it now.

Nodes, who holds room, who waits. Kept in memory, folded from the log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from nsml_core.entry import Recorded
from nsml_core.telemetry import Message
from nsml_protos.gangs import members
from nsml_protos.scheduler_pb2 import Node, Policy, Work
from nsml_protos.session_pb2 import GangMember, Lost, Requested, Resources, Resumed, Started
from nsml_scheduler.engines.engine import Claim
from nsml_scheduler.limits import held_back
from nsml_scheduler.nearby import Nearby
from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.lengths import Lengths
from nsml_scheduler.policy.model import Held, Job
from nsml_scheduler.policy.order import kind
from nsml_scheduler.policy.plan import Plan, Start, View, Wait, plan
from nsml_scheduler.shares import Interval, Shares, dominant
from nsml_scheduler.state import NODE, WORK, give
from nsml_scheduler.terms import HALF_LIFE_SECONDS, KEY, POLICY
from nsml_scheduler.translate import host_of, job_of, parts_of, rules_of, seconds


@dataclass(frozen=True)
class Placement:
    """Room for a session's next attempt."""

    session: str
    owner: str
    attempt: int
    members: tuple[GangMember, ...]
    """By rank; a session on one node has one."""

    resources: Resources
    because: str = ""
    """What decided for these nodes beside room."""


@dataclass
class Cluster:
    """Everything that a plan needs, and the placements that are under way."""

    nodes: dict[str, Node] = field(default_factory=dict)
    works: dict[str, Work] = field(default_factory=dict)
    origins: dict[str, Message] = field(default_factory=dict)
    """The entries that brought sessions here, so that their traces go on."""

    under_way: dict[str, Placement] = field(default_factory=dict)
    parked: dict[str, str] = field(default_factory=dict)
    """Sessions that cannot be placed now whatever room there is, and why: they hold none."""

    policy: Policy = field(default_factory=Policy)
    ending: set[str] = field(default_factory=set)
    """Sessions that are about to be asked to stop, because their room is needed."""

    ended_well: set[str] = field(default_factory=set)
    """Sessions that others waited for."""

    shares: Shares = field(default_factory=lambda: Shares(HALF_LIFE_SECONDS))
    lengths: Lengths = field(default_factory=Lengths)
    """How long sessions ran that have ended: what estimates are made of."""

    nearby: Nearby = field(default_factory=Nearby)
    """Which nodes have what sessions need."""

    waits: dict[str, Wait] = field(default_factory=dict)
    """What was last said of those who wait."""

    _jobs: dict[str, Job] = field(default_factory=dict)
    """The sessions as the planner sees them."""

    def learn(self, entries: Iterable[Recorded]) -> None:
        """Fold what happened."""
        for entry in entries:
            events = [(event, entry.time) for event in entry.events]
            if entry.subject.startswith("nsml.scheduler."):
                self._learn_own(NODE.key(entry.subject), events)
                continue
            mine = [pair for pair in events if isinstance(pair[0], WORK.events)]
            if mine:
                self._learn_session(entry, WORK.key(entry.subject), mine)

    def _learn_own(self, name: str, events: Sequence[object]) -> None:
        if name == KEY:
            self.know_policy(POLICY.fold(self.policy, events))  # type: ignore[arg-type]
        else:
            self.nodes[name] = NODE.fold(self.nodes.get(name, Node()), events)  # type: ignore[arg-type]

    def _learn_session(self, entry: Recorded, name: str, events: Sequence[object]) -> None:
        before = self.works.get(name, Work())
        work = WORK.fold(before, events)  # type: ignore[arg-type]
        self._jobs.pop(name, None)
        if before.node and work.placed != before.placed:
            self.shares.add(interval_of(before, entry.time.timestamp()))
        if work.session:
            self.works[name] = work
        else:
            self._ended(before, entry)
            self.works.pop(name, None)
            self.origins.pop(name, None)
        for event in entry.events:
            if isinstance(event, Requested):
                self.nearby.asked(name, event.spec)
            elif isinstance(event, Started):
                self.nearby.started(name, [member.node for member in members(work)])
        if any(isinstance(event, Requested | Resumed) for event in entry.events):
            self.origins[name] = entry.message
        if work.node or not work.session:
            self.under_way.pop(name, None)

    def _ended(self, work: Work, entry: Recorded) -> None:
        """Learn how long it ran; of one that was lost nobody knows how long it would have."""
        if work.node and not any(isinstance(event, Lost) for event in entry.events):
            last = entry.time.timestamp() - seconds(
                work.started if work.HasField("started") else work.placed
            )
            self.lengths.ended(kind(job_of(work, self.policy)), work.attained_ms / 1000 + last)

    def plan(self, now: float) -> Plan:
        """Plan for those who wait and are not already being placed; why others wait is left out."""
        plan, _ = self._plan(now, explain=False)
        return plan

    def explain(self, now: float) -> None:
        """Say of those who wait why, and until when; that takes longer than to plan."""
        plan, back = self._plan(now, explain=True)
        plan.waits += [Wait(session, reason) for session, reason in back.items()]
        self.waits = {wait.job: wait for wait in plan.waits}

    def _plan(self, now: float, *, explain: bool) -> tuple[Plan, dict[str, str]]:
        """Plan, and name those who may not start yet whatever room there is."""
        passed = self.under_way.keys() | self.parked.keys()
        queue = [work for work in self.queue() if work.session not in passed]
        if not queue:
            return Plan(), {}
        holding = [*self.holding(), *map(self._placing, self.under_way.values())]
        back = held_back(queue, holding, self.policy, self.ended_well)
        waiting = [self._near(self._job(work)) for work in queue if work.session not in back]
        view = self._view([self._held(work) for work in holding], waiting, now)
        return plan(view, rules_of(self.policy), now, explain=explain), back

    def _view(self, held: list[Held], waiting: list[Job], now: float) -> View:
        fleet = Fleet(map(host_of, self.known_nodes()))
        _occupy(fleet, held)
        use = {owner: share * fleet.size for owner, share in self.used(now).items()}
        return View(fleet, held, waiting, use, self.lengths)

    def _near(self, job: Job) -> Job:
        near = self.nearby.of(job.id)
        return replace(job, near=near) if near else job

    def _job(self, work: Work) -> Job:
        job = self._jobs.get(work.session)
        if job is None:
            job = self._jobs[work.session] = job_of(work, self.policy)
        return job

    def _held(self, work: Work) -> Held:
        stopping = work.stopping or work.session in self.ending
        return Held(self._job(work), parts_of(work), seconds(work.placed), stopping)

    def _placing(self, placement: Placement) -> Work:
        work = Work()
        work.CopyFrom(self.works.get(placement.session, work))
        work.session, work.owner = placement.session, placement.owner
        work.resources.CopyFrom(placement.resources)
        give(work, placement.members)
        return work

    def know_policy(self, policy: Policy) -> None:
        """Take what admins have set; from now on, the past fades as they say."""
        self.policy = policy
        self._jobs.clear()
        self.shares.half_life = policy.half_life_seconds or HALF_LIFE_SECONDS

    def used(self, now: float) -> dict[str, float]:
        """Return the share of the cluster that each owner used, the past counted less and less."""
        running = [interval_of(work, now) for work in self.holding()]
        return dominant(self.shares.averages(now, running), self.known_nodes())

    def known_nodes(self) -> list[Node]:
        """Return the nodes that have joined and were not removed."""
        return [node for node in self.nodes.values() if not node.removed]

    def placement(self, start: Start) -> Placement:
        """Return a planned start in the words of those who carry it out."""
        work = self.works[start.job.id]
        members = tuple(
            GangMember(rank=rank, node=part.host, devices=part.gpus)
            for rank, part in enumerate(start.parts)
        )
        because = self._because(start) if len(self.known_nodes()) > len(members) else ""
        return Placement(
            work.session, work.owner, work.attempt + 1, members, work.resources, because
        )

    def _because(self, start: Start) -> str:
        """Say what its nodes had already; where all nodes are needed, none was chosen for that."""
        had = {part.host: self.nearby.had(start.job.id, part.host) for part in start.parts}
        said = [f"{node} had {what} already" for node, what in had.items() if what]
        return ", ".join(said)

    def holding(self) -> list[Work]:
        """Return the sessions that hold room."""
        return [work for work in self.works.values() if work.node]

    def queue(self) -> list[Work]:
        """Return the sessions that wait, first come first."""
        waiting = [work for work in self.works.values() if not work.node and not work.stopping]
        return sorted(waiting, key=lambda work: (work.queued.ToNanoseconds(), work.session))


def interval_of(work: Work, end: float) -> Interval:
    """Return the time in which a session held room."""
    return Interval(work.owner, work.resources, seconds(work.placed), end)


def is_on(work: Work, node: str) -> bool:
    """Return whether a session holds room on a node."""
    return any(member.node == node for member in members(work))


def on_node(holding: Iterable[Work], node: str) -> list[Work]:
    """Return what holds room on a node, each with the devices that it has there."""
    found = []
    for work in holding:
        for member in members(work):
            if member.node == node:
                here = Work()
                here.CopyFrom(work)
                here.node, here.devices[:] = node, member.devices
                found.append(here)
    return found


def claims(work: Work) -> list[Claim]:
    """Return what the runners of a session stand for, of those members that have not ended."""
    return [
        Claim(work.session, work.attempt, member.node, member.rank)
        for member in members(work)
        if not member.HasField("ended")
    ]


def _occupy(fleet: Fleet, held: Iterable[Held]) -> None:
    for each in held:
        fleet.occupy(each.parts)
