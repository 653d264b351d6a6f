"""The words of the policy: what is asked for, what there is, who holds it; times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Literal

WHOLE = 1000
"""A GPU in thousandths."""


@dataclass(frozen=True)
class Ask:
    """What one member of a gang needs on its host."""

    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0
    gpu_milli: int = WHOLE
    """Of each GPU, in thousandths; less than a whole one only where `gpus` is 1."""

    models: frozenset[str] = frozenset()
    """The models of GPU that will do; none named: any."""

    @property
    def gpu_share(self) -> float:
        """How many GPUs it amounts to."""
        return self.gpus * self.gpu_milli / WHOLE


@dataclass(frozen=True)
class Job:
    """One session that waits or runs."""

    id: str
    owner: str = ""
    team: str = ""
    ask: Ask = Ask()
    members: int = 1
    rest: Ask | None = None
    """A last member that needs less than the others."""

    priority: int = 0
    """Of its priority class: the higher goes first, and may stop the lower."""

    submitted: float = 0.0
    waiting_since: float = 0.0
    waited_seconds: float = 0.0
    """How long it waited before, until it last started."""

    attained_seconds: float = 0.0
    """How long it has run, all attempts together, until it last started."""

    saved_seconds: float = 0.0
    """How much of that its latest checkpoint holds."""

    preemptible: bool = False
    """Its owner lets anybody's session stop it."""

    stops: int = 0
    """How often it was stopped to make room."""

    time_limit: float = 0.0
    """It is stopped for good after so long; 0: never."""

    after: frozenset[str] = frozenset()
    """The jobs that have to end before it may start."""

    near: Mapping[str, int] = field(default_factory=dict, hash=False)
    """The hosts that have its data and its image already, 2, or one of both, 1."""

    @cached_property
    def shape(self) -> tuple[Ask, int, Ask | None]:
        """What it needs: two jobs of one shape fit alike."""
        return (self.ask, self.members, self.rest)

    @cached_property
    def asks(self) -> tuple[Ask, ...]:
        """What each member needs."""
        return (self.ask,) * self.members + ((self.rest,) if self.rest else ())

    @cached_property
    def gpu_share(self) -> float:
        """How many GPUs it amounts to, all members together."""
        return sum(ask.gpu_share for ask in self.asks)

    @property
    def remaining_limit(self) -> float:
        """How long it may run from now on, if it starts now."""
        return max(self.time_limit - self.attained_seconds, 0.0) if self.time_limit else inf

    @cached_property
    def tenant(self) -> str:
        """Whose share it is counted to: its team's, or its owner's own."""
        return self.team or self.owner


@dataclass(frozen=True)
class Gpu:
    """One device."""

    id: str
    model: str = ""
    memory_bytes: int = 0


@dataclass(frozen=True)
class Host:
    """A node as it is when nothing runs there."""

    name: str
    cpus: int = 0
    memory_bytes: int = 0
    gpus: tuple[Gpu, ...] = ()
    zone: str = ""
    labels: frozenset[str] = frozenset()
    cordoned: bool = False
    """Nothing new starts there."""


@dataclass(frozen=True)
class Part:
    """The room of one member: on a host, these devices of it."""

    host: str
    gpus: tuple[str, ...]
    ask: Ask


@dataclass(frozen=True)
class Held:
    """Room that a job holds."""

    job: Job
    parts: tuple[Part, ...]
    since: float = 0.0
    stopping: bool = False
    """It was told to stop, so that its room is free soon."""

    def attained(self, now: float) -> float:
        """How long it has run by now, all attempts together."""
        return self.job.attained_seconds + (now - self.since if now > self.since else 0.0)

    @property
    def ends(self) -> float:
        """When its time limit ends it; infinite without one."""
        return self.since + self.job.remaining_limit

    def unsaved(self, now: float) -> float:
        """How much of that no checkpoint holds."""
        return max(self.attained(now) - self.job.saved_seconds, 0.0)


@dataclass(frozen=True)
class Rules:
    """The policy's settings."""

    order: Literal["arrival", "levels", "learned"] = "levels"
    """First come first; or who has run least, by levels; or who is likely to end first."""

    backfill: bool = True
    """Those behind the first that has no room may pass it where they do not delay it."""

    preempt: bool = True
    """Those that have run long may be stopped for those that have not."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """A tenant's share; who is not named has 1."""

    quotas: Mapping[str, float] = field(default_factory=dict)
    """How many GPUs a tenant may use before it borrows; who is not named has no such bound."""

    half_life_seconds: float = 24 * 3600.0
    """What a tenant used so long ago counts half."""

    share_levels: float = 0.5
    """How many levels a tenant loses by each doubling of its use beyond its share."""

    level_seconds: float = 60.0
    """Levels end at so many seconds of run time, and at each doubling."""

    size_power: float = 0.2
    """Run time counts times the GPUs to this power: at 0.2, that of 32 GPUs counts twice."""

    patience: float = 0.5
    """Who waited so many times as long as they ran gain a level, and one at each doubling."""

    minimum_run_seconds: float = 300.0
    """Nobody is stopped who started less than that ago."""

    resume_seconds: float = 30.0
    """What it costs to go on elsewhere."""

    stops_max: int = 20
    """Nobody is stopped more often than that to make room."""
