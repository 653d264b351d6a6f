"""A platform that is broken on purpose while people use it keeps every promise."""

from itertools import islice

from tests.faults.ordeal import Ordeal, undergo
from tests.faults.plan import TARGETS, Deed, Fault, faults

_SEED = 168
_KILLS = 8


def planned(seed: int, *only: str) -> list[Fault]:
    return list(islice(faults(seed, only), 500))


def test_a_plan_follows_from_its_seed() -> None:
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)
    assert {fault.target for fault in planned(1)} == set(TARGETS)
    assert {fault.deed for fault in planned(1)} == set(Deed)
    assert {fault.target for fault in planned(1, "nats", "runner")} == {"nats", "runner"}


def test_no_promise_is_broken_by_kills() -> None:
    said: list[str] = []
    report = undergo(Ordeal(_SEED, _KILLS), said.append)

    assert report.violations == [], "\n".join(said)
    assert report.broken.kills >= _KILLS
    assert report.points > 0
    assert any(command.outcome == "acknowledged" for command in report.commands)
