"""What is free, on each host and in all."""

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nsml_scheduler.policy.model import WHOLE, Ask, Host, Part


def could_hold(host: Host, ask: Ask) -> bool:
    """Return whether a host has room for this when nothing runs there."""
    gpus = len(host.gpus)
    if ask.models:
        gpus = sum(gpu.model in ask.models for gpu in host.gpus)
    return gpus >= ask.gpus and host.cpus >= ask.cpus and host.memory_bytes >= ask.memory_bytes


class Room:
    """What is free on a host; negative where more is held than there is."""

    __slots__ = ("cpus", "host", "memory_bytes", "places", "shared", "whole")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.places = {gpu.id: place for place, gpu in enumerate(host.gpus)}
        self.whole = [gpu.id for gpu in host.gpus]
        """The devices that are wholly free, in their order."""

        self.shared: dict[str, int] = {}
        """What is free of the devices that are held in part, in thousandths."""

        self.cpus = host.cpus
        self.memory_bytes = host.memory_bytes

    def lacks(self, ask: Ask) -> tuple[int, int, int]:
        """Return how much more there would have to be; what is not asked for is not lacked."""
        return (
            max(ask.gpus - len(self.usable(ask)), 0),
            ask.cpus and max(ask.cpus - self.cpus, 0),
            ask.memory_bytes and max(ask.memory_bytes - self.memory_bytes, 0),
        )

    def fits(self, ask: Ask) -> bool:
        if ask.gpus > len(self.whole) and ask.gpu_milli == WHOLE:
            return False
        return (
            (not ask.cpus or ask.cpus <= self.cpus)
            and (not ask.memory_bytes or ask.memory_bytes <= self.memory_bytes)
            and (not ask.gpus or ask.gpus <= len(self.usable(ask)))
        )

    def usable(self, ask: Ask) -> list[str]:
        """Name the devices that would do: those with the least free come first."""
        free = self.whole
        if ask.gpu_milli < WHOLE:
            enough = [gpu for gpu, milli in self.shared.items() if milli >= ask.gpu_milli]
            free = sorted(enough, key=self.shared.__getitem__) + free
        if ask.models:
            gpus = self.host.gpus
            free = [gpu for gpu in free if gpus[self.places[gpu]].model in ask.models]
        return free

    def part(self, ask: Ask) -> Part:
        """Choose devices for this; fewer than it needs where there are not as many."""
        gpus = self.usable(ask)[: ask.gpus] if ask.gpus else ()
        return Part(self.host.name, tuple(gpus), ask)

    def take(self, part: Part) -> Part:
        """Return what was taken: a device that another has is not taken from it."""
        self.cpus -= part.ask.cpus
        self.memory_bytes -= part.ask.memory_bytes
        taken = tuple(gpu for gpu in part.gpus if gpu in self.shared or gpu in self.whole)
        for gpu in taken:
            left = self.shared.get(gpu, WHOLE) - part.ask.gpu_milli
            if gpu in self.whole:
                self.whole.remove(gpu)
            if part.ask.gpu_milli < WHOLE:
                self.shared[gpu] = left
        return part if len(taken) == len(part.gpus) else replace(part, gpus=taken)

    def give_back(self, part: Part) -> None:
        self.cpus += part.ask.cpus
        self.memory_bytes += part.ask.memory_bytes
        for gpu in part.gpus:
            if gpu not in self.places:
                continue
            free = self.shared.pop(gpu, 0) + part.ask.gpu_milli
            if free < WHOLE:
                self.shared[gpu] = free
            else:
                insort(self.whole, gpu, key=self.places.__getitem__)


class Fleet:
    """The hosts, and what is free on them."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.rooms = {host.name: Room(host) for host in hosts}
        most = max((len(room.whole) for room in self.rooms.values()), default=0)
        self._by_free: list[dict[str, Room]] = [{} for _ in range(most + 1)]
        for name, room in self.rooms.items():
            self._by_free[len(room.whole)][name] = room
        self.gpus = sum(len(room.whole) for room in self.rooms.values())
        self.gpus_free = self.gpus
        """How many are wholly free."""

        self.size = self.gpus or 1
        """What shares are shares of: where there are no GPUs, of all that there is."""

        self.taken: set[str] = set()
        """Hosts that have a member of the gang that is being placed: each has at most one."""

        self._watchers: list[set[str]] = []

    def watch(self) -> set[str]:
        """Return a set into which the names of hosts come from now on whose room changes."""
        changed: set[str] = set()
        self._watchers.append(changed)
        return changed

    def occupy(self, parts: Iterable[Part]) -> list[Part]:
        """Take room, and return what was taken: what is on no host of these is nobody's."""
        taken = []
        for part in parts:
            room = self.rooms.get(part.host)
            if room is not None:
                before = len(room.whole)
                taken.append(room.take(part))
                self._moved(room, before)
        return taken

    def release(self, parts: Iterable[Part]) -> None:
        """Give room back, as it was taken."""
        for part in parts:
            room = self.rooms.get(part.host)
            if room is not None:
                before = len(room.whole)
                room.give_back(part)
                self._moved(room, before)

    def _moved(self, room: Room, before: int) -> None:
        for changed in self._watchers:
            changed.add(room.host.name)
        free = len(room.whole)
        if free != before:
            self.gpus_free += free - before
            del self._by_free[before][room.host.name]
            self._by_free[free][room.host.name] = room

    def fitting(self, ask: Ask) -> Iterator[Room]:
        """Yield hosts that have room for this, those with the fewest whole GPUs free first."""
        least = ask.gpus if ask.gpu_milli == WHOLE else 0
        for rooms in self._by_free[least:]:
            for room in rooms.values():
                if self.takes(room, ask):
                    yield room

    def takes(self, room: Room, ask: Ask) -> bool:
        """Return whether a host has room for this, and may be given it."""
        return room.fits(ask) and not room.host.cordoned and room.host.name not in self.taken

    def most_free(self, ask: Ask) -> int:
        """Return the most GPUs that one host has free for this."""
        open_rooms = (room for room in self.rooms.values() if not room.host.cordoned)
        return max((len(room.usable(ask)) for room in open_rooms), default=0)
