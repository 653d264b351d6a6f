"""Where parts of GPUs go, so that what is left over stays of use."""

import random
from collections import Counter

import numpy as np
import pytest

from nsml_scheduler.policy.cuts import Cuts
from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.fragments import Demand
from nsml_scheduler.policy.model import WHOLE, Ask, Gpu, Host, Job, Part
from nsml_scheduler.policy.packing import Packing
from nsml_scheduler.policy.place import place
from nsml_scheduler.policy.scarcity import Scarcity

_GB = 1 << 30


def ask(milli: int = WHOLE, gpus: int = 1, cpus: int = 0, models: str = "") -> Ask:
    return Ask(gpus, cpus, 0, milli, frozenset(models))


def host(name: str, gpus: int = 1, cpus: int = 64, model: str = "A") -> Host:
    return Host(name, cpus, 64 * _GB, tuple(Gpu(str(at), model) for at in range(gpus)))


def chosen(fleet: Fleet, wanted: Counter[Ask], need: Ask) -> Part:
    parts = place(fleet, Job("j", ask=need), Packing(fleet, wanted))
    assert parts is not None
    return parts[0]


def test_a_part_costs_what_nobody_else_can_use_beside_it() -> None:
    cuts = Cuts({810: 10, 470: 10})

    assert cuts.waste(810)[WHOLE] == 0  # whoever takes it, a GPU is gone
    assert cuts.waste(470)[WHOLE] == pytest.approx(0)  # two of them fill one
    assert cuts.waste(470)[810] == pytest.approx(500)  # what is left serves nobody
    assert cuts.waste(470)[400] == 0  # it does not fit at all


def test_sizes_that_fill_a_gpu_together_are_priced_together() -> None:
    cuts = Cuts({600: 10, 400: 10})

    assert cuts.waste(600)[WHOLE] == pytest.approx(0)
    assert cuts.waste(400)[400] == pytest.approx(0)
    assert cuts.waste(400)[900] > 0  # a 600 would have had it, or a second 400


def test_nothing_is_wasted_where_no_parts_are_asked_for() -> None:
    assert not Cuts({}).waste(500).any()


def test_a_part_goes_where_it_completes_a_gpu() -> None:
    fleet = Fleet([host("a"), host("b"), host("c")])
    fleet.occupy([Part("b", ("0",), ask(400)), Part("c", ("0",), ask(200))])

    assert chosen(fleet, Counter({ask(600): 5, ask(400): 5}), ask(600)).host == "b"


def test_who_needs_many_cores_goes_where_they_are_plenty() -> None:
    fleet = Fleet([host("few", gpus=2, cpus=8), host("many", gpus=2, cpus=64)])
    wanted = Counter({ask(cpus=4): 9, ask(cpus=8): 1})

    assert chosen(fleet, wanted, ask(cpus=8)).host == "many"


def test_who_may_have_any_model_leaves_the_scarce_one() -> None:
    fleet = Fleet([host("a", gpus=2, model="A"), *(host(f"b{n}", 2, model="B") for n in range(4))])
    wanted = Counter({ask(): 5, ask(models="A"): 5})

    assert chosen(fleet, wanted, ask()).host.startswith("b")
    assert chosen(fleet, wanted, ask(models="A")).host == "a"


def test_a_model_that_more_ask_for_than_there_is_has_the_higher_price() -> None:
    scarcity = Scarcity({ask(): 8, ask(models="A"): 2}, ["A", "B"])

    even = Scarcity({ask(): 1}, ["A", "B"]).prices(np.array([2.0, 8.0]))
    rare, plenty = scarcity.prices(np.array([2.0, 8.0]))
    assert even.tolist() == [1.0, 1.0]
    assert rare > 1 > plenty


def test_a_host_that_has_the_data_already_is_worth_some_fragments() -> None:
    fleet = Fleet([host("a", 2), host("b", 2)])
    packing = Packing(fleet, Counter({ask(): 1}))

    for name in ("a", "b"):
        part = packing(fleet, ask(), {name: 1})
        assert part is not None
        assert part.host == name


def test_each_member_of_a_gang_has_a_host_of_its_own() -> None:
    fleet = Fleet([host("a", 2), host("b", 2)])
    packing = Packing(fleet, Counter({ask(): 1}))

    parts = place(fleet, Job("j", ask=ask(), members=2), packing)

    assert parts is not None
    assert {part.host for part in parts} == {"a", "b"}
    assert place(fleet, Job("j", ask=ask(), members=3), packing) is None


def test_one_host_is_reckoned_as_many_are() -> None:
    wanted = {ask(300, cpus=2): 3.0, ask(cpus=4): 2.0, ask(gpus=2, models="A"): 1.0}
    demand = Demand(wanted, ["A", "B"], most=3)
    for cpus, model, milli, whole in ((3, 0, [1000, 300], 1), (9, 1, [1000, 1000, 1000], 3)):
        rows = demand.rows(np.array([cpus]), np.array([0]), np.array([model]))
        many = demand.of_shares(rows, np.array([milli])).sum(axis=1)
        many -= demand.of_whole(rows, np.array([whole]))

        assert demand.row(cpus, 0, model) == rows[0]
        assert demand.of_host(int(rows[0]), milli, whole) == pytest.approx(many[0])
        one = demand.of_shares(rows, np.array([[1000]]))[0, 0]
        assert demand.of_a_whole(rows)[0] == one


def test_what_is_remembered_of_hosts_is_what_they_are() -> None:
    """Coming and going, one that scores only what changed chooses as a new one does."""
    chance = random.Random(7)  # noqa: S311 - the same every time
    wanted = Counter({ask(250, cpus=2): 4, ask(600): 3, ask(cpus=4): 2, ask(gpus=2, cpus=9): 1})
    fleet = Fleet([host(f"n{at}", gpus=4, cpus=16) for at in range(6)])
    packing, held = Packing(fleet, wanted), list[Part]()
    for _ in range(150):
        if held and chance.random() < 0.4:
            fleet.release([held.pop(chance.randrange(len(held)))])
        need = chance.choice(list(wanted))
        found = packing(fleet, need, {})
        assert found == Packing(fleet, wanted)(fleet, need, {})
        held += fleet.occupy([found] if found else [])
    assert held
