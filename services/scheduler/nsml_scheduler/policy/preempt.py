"""Who is stopped so that a job that waits can start now; nobody where that would not suffice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nsml_scheduler.policy.fleet import Fleet, Room
from nsml_scheduler.policy.model import Ask, Held, Job
from nsml_scheduler.policy.order import Key, Standing, back_to_front
from nsml_scheduler.policy.place import Choose, place


@dataclass
class Candidates:
    """Those who may be stopped, the last in the order first."""

    fleet: Fleet
    standing: Standing
    ordered: Sequence[tuple[Key, Held]]
    stopped: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, fleet: Fleet, held: Iterable[Held], standing: Standing) -> "Candidates":
        return cls(fleet, standing, back_to_front(held, standing))

    def victims(self, job: Job, key: Key, choose: Choose) -> list[Held]:
        """Return whom to stop for this job; the fleet is left as it was."""
        behind = self._behind(job, key)
        if not behind:
            return []
        by_host: dict[str, list[Held]] = defaultdict(list)
        for held in sorted(behind, key=lambda held: held.unsaved(self.standing.time)):
            for host in {part.host for part in held.parts}:
                by_host[host].append(held)
        chosen: list[Held] = []
        for ask in job.asks:
            found = self._cheapest(ask, by_host, chosen)
            if found is None:
                break
            room, victims = found
            chosen += victims
            for victim in victims:
                self.fleet.release(victim.parts)
            self.fleet.taken.add(room.host.name)
        self.fleet.taken.clear()
        needed: list[Held] = []
        if place(self.fleet, job, choose) is not None:
            needed = self._needed(job, chosen, choose)
        for victim in needed or chosen:
            self.fleet.occupy(victim.parts)
        return needed

    def _behind(self, job: Job, key: Key) -> list[Held]:
        """Return those whom this job may have stopped; nobody if all of them were not enough."""
        behind: list[Held] = []
        step = self.standing.step
        missing = job.gpu_share - self.fleet.gpus_free
        for other, held in self.ordered:
            if not may_stop(job, key, other, step):
                break
            if held.job.id not in self.stopped:
                behind.append(held)
                missing -= held.job.gpu_share
        return behind if missing <= 0 else []

    def _cheapest(
        self, ask: Ask, by_host: Mapping[str, Sequence[Held]], chosen: Sequence[Held]
    ) -> tuple[Room, list[Held]] | None:
        """Return the host where the least work is lost, and whom to stop there."""
        free = next(self.fleet.fitting(ask), None)
        if free is not None:
            return free, []
        best: tuple[float, Room, list[Held]] | None = None
        for host, behind in by_host.items():
            if host in self.fleet.taken:
                continue
            room = self.fleet.rooms[host]
            victims = self._on(room, ask, [held for held in behind if held not in chosen])
            if victims:
                cost = sum(map(self._cost, victims))
                if best is None or cost < best[0]:
                    best = (cost, room, victims)
        return best and (best[1], best[2])

    def _on(self, room: Room, ask: Ask, behind: Sequence[Held]) -> list[Held]:
        gpus, cpus, memory = room.lacks(ask)
        victims = []
        for held in behind:
            parts = [part for part in held.parts if part.host == room.host.name]
            victims.append(held)
            gpus -= sum(len(part.gpus) for part in parts)
            cpus -= sum(part.ask.cpus for part in parts)
            memory -= sum(part.ask.memory_bytes for part in parts)
            if max(gpus, cpus, memory) <= 0:
                return victims
        return []

    def _cost(self, held: Held) -> float:
        """Return the GPU seconds that stopping it loses."""
        lost = held.unsaved(self.standing.time) + self.standing.rules.resume_seconds
        return lost * held.job.gpu_share

    def _needed(self, job: Job, chosen: Sequence[Held], choose: Choose) -> list[Held]:
        """Leave out those without whom it fits as well."""
        needed = []
        for held in sorted(chosen, key=self._cost, reverse=True):
            taken = self.fleet.occupy(held.parts)
            if place(self.fleet, job, choose) is None:
                self.fleet.release(taken)
                needed.append(held)
        self.stopped.update(held.job.id for held in needed)
        return needed


def may_stop(job: Job, key: Key, behind: Key, step: float) -> bool:
    """Return whether one that waits may have one that runs stopped.

    That is one of lower priority; one by which its tenant exceeds its quota; one whose owner lets
    it be stopped. Among those of whom that is said of both, who stands so far before
    the other.
    """
    if behind[:2] != key[:2]:
        return behind[:2] > key[:2]
    return bool(behind[2]) and (not job.preemptible or behind[3] >= key[2] + step)
