"""Bits are flipped, and files cut short: it is named, or healed, and never believed."""

import pytest

from tests.faults.damage import tally

_SEED = 11
_TIMES = {"log": 14, "archive": 5, "database": 2, "blobs": 20}


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose sessions the damaged log tells of."""
    monkeypatch.setenv("NSML_USER", "ann")
    monkeypatch.setenv("NSML_OPENING_CREDIT", "100")


@pytest.mark.parametrize("where", list(_TIMES))
async def test_every_injury_is_named_or_healed(where: str) -> None:
    found = await tally(where, _SEED, _TIMES[where])

    assert found["missed"] == 0
    assert found["named"] > 0
    assert sum(found.values()) == _TIMES[where]
