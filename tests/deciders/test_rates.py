"""What time costs: rounding never makes a credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsml_core.errors import Invalid
from nsml_ledger import policy, rates


@pytest.mark.parametrize(
    ("gpus", "cpus", "cpu_rate", "rate"),
    [(1, 4, 10, 1_000), (2, 0, 0, 2_000), (0, 4, 10, 40), (0, 4, 0, 0), (0, 0, 10, 0)],
)
def test_gpus_cost_and_cores_only_where_there_are_none(
    gpus: int, cpus: int, cpu_rate: int, rate: int
) -> None:
    assert rates.rate(gpus, cpus, cpu_rate) == rate


def test_one_gpu_minute_is_one_credit() -> None:
    assert rates.cost(rates.GPU_RATE, 60_000) == rates.CREDIT


def test_time_that_went_back_costs_nothing() -> None:
    assert rates.cost(rates.GPU_RATE, -1) == 0


def test_settings_are_in_credits_and_seconds() -> None:
    few = {"NSML_OPENING_CREDIT": "0.5", "NSML_CPU_RATE": "1", "NSML_CHARGE_SECONDS": "0.1"}

    assert policy.read({}) == policy.Prices(600_000_000, 0, 3_600_000, 60)
    assert policy.read(few | {"NSML_LOW_CREDIT": "0"}) == policy.Prices(30_000, 1_000, 0, 0.1)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e99", "much", "-0.001"])
@pytest.mark.parametrize("name", ["NSML_OPENING_CREDIT", "NSML_CPU_RATE", "NSML_LOW_CREDIT"])
def test_a_senseless_setting_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=f"{name} must be a number, zero or more"):
        policy.read({name: value})


def test_charging_all_the_time_is_refused() -> None:
    with pytest.raises(Invalid, match="more than zero"):
        policy.read({"NSML_CHARGE_SECONDS": "0"})


@given(st.integers(1, 10**6), st.integers(0, 10**12))
def test_what_an_amount_covers_costs_no_more_than_it(rate: int, amount: int) -> None:
    assert rates.cost(rate, rates.covered_milliseconds(rate, amount)) <= amount


@given(st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_time_in_two_parts_never_costs_more_than_in_one(rate: int, first: int, then: int) -> None:
    parts = rates.cost(rate, first) + rates.cost(rate, then)

    assert parts <= rates.cost(rate, first + then) <= parts + 1
