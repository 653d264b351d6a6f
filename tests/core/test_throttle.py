"""How much one person may ask in a short time."""

import pytest

from nsml_core.errors import Invalid, Throttled
from nsml_core.settings import read
from nsml_core.throttle import Throttle


def test_who_asks_too_much_is_told_when_to_come_again() -> None:
    throttle = Throttle(rate=0.01, burst=3)
    for _ in range(3):
        throttle.take("ann")

    with pytest.raises(Throttled) as refused:
        throttle.take("ann")

    assert 90 < refused.value.seconds <= 100
    throttle.take("bob")


def test_without_a_rate_anything_goes() -> None:
    throttle = Throttle(rate=0, burst=0)
    for _ in range(10_000):
        throttle.take("ann")


def test_limits_hold_where_others_can_reach() -> None:
    local = read({"NSML_HOME": "/h"})
    exposed = read({"NSML_HOME": "/h", "NSML_LISTEN": "10.0.0.5:7100"})
    chosen = read({"NSML_HOME": "/h", "NSML_RATE_LIMIT": "5/20"})

    assert local.limits("session") == (0, 0)
    assert exposed.limits("session") == (100, 1000)
    assert chosen.limits("session") == (5, 20)
    with pytest.raises(Invalid, match="NSML_RATE_LIMIT"):
        read({"NSML_HOME": "/h", "NSML_RATE_LIMIT": "many"})
