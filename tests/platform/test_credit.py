"""A person with hardly any credit: what they have is used, evidenced, and then no more."""

from collections.abc import Iterator

import pytest

from tests.platform.platforms import Platform, eventually, platform


@pytest.fixture(scope="module")
def poor() -> Iterator[Platform]:
    """Credit for six seconds of one GPU."""
    with platform(NSML_OPENING_CREDIT="0.1") as found:
        yield found


def test_a_session_is_stopped_when_the_credit_is_used_up(poor: Platform) -> None:
    session = poor.run("-g", "1").begun()
    waits = poor.run("-g", "0").begun()

    shown = poor.until(session.name, "Stopped")
    (charge,) = eventually(session.charges)

    assert "NOT_ENOUGH_CREDIT" in shown["reason"]
    assert charge["amount_gpu_ms"] == 6_000
    session.assert_charged_once()
    credit = poor.json("credit")
    assert (credit["available_gpu_ms"], credit["spent_gpu_ms"], credit["held_gpu_ms"]) == (
        0,
        6_000,
        0,
    )
    assert waits.status == "Running"  # cores cost nothing
    waits.finish()

    refused = poor.nsml("run", "-g", "1", code=poor.code("print(1)"), check=False)

    assert refused.returncode != 0
    assert "NOT_ENOUGH_CREDIT" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert poor.live() == []
