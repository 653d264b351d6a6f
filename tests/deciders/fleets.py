"""Fleets, jobs and plans for tests, in few words."""

from collections.abc import Sequence

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Ask, Gpu, Held, Host, Job, Part, Rules
from nsml_scheduler.policy.plan import Plan, View, plan


def host(name: str = "n", gpus: int = 2, cpus: int = 8, model: str = "") -> Host:
    return Host(name, cpus, 100, tuple(Gpu(str(index), model) for index in range(gpus)))


def hosts(count: int, gpus: int = 8) -> list[Host]:
    return [host(f"n{at}", gpus) for at in range(count)]


def runs(job: Job, *parts: tuple[str, str], since: float = 0.0, stopping: bool = False) -> Held:
    """Hold devices, named as host and index, one member for each host."""
    names = dict.fromkeys(host for host, _ in parts)
    devices = {name: tuple(gpu for host, gpu in parts if host == name) for name in names}
    held = tuple(Part(name, gpus, Ask(len(gpus))) for name, gpus in devices.items())
    return Held(job, held, since, stopping)


def planned(
    there: Sequence[Host],
    held: Sequence[Held],
    waiting: Sequence[Job],
    rules: Rules | None = None,
    now: float = 0.0,
) -> Plan:
    """Plan, and hold that the view is as it was."""
    fleet = Fleet(there)
    for each in held:
        fleet.occupy(each.parts)
    before = free(fleet)
    found = plan(View(fleet, held, waiting), rules or Rules(), now)
    assert free(fleet) == before
    return found


def free(fleet: Fleet) -> dict[str, object]:
    return {
        name: (tuple(room.whole), dict(room.shared), room.cpus, room.memory_bytes)
        for name, room in fleet.rooms.items()
    }


def started(found: Plan) -> list[str]:
    return [start.job.id for start in found.starts]


def stopped(found: Plan) -> list[tuple[str, str]]:
    return [(stop.job.id, stop.makes_room_for) for stop in found.stops]
