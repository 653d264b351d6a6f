"""Ticks of an axis: round numbers that lie on it, as many as there is room for."""

import math

import pytest

from nsml_cli import ticks


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (-3, 3, "-2 0 2"),
        (0.0011, 0.0012, "0.00110 0.00112 0.00114 0.00116 0.00118 0.00120"),
        (0, 20_000, "0 5000 10k 15k 20k"),
        (0, 3e6, "0 1M 2M 3M"),
        (1e-9, 3e-9, "1.0e-09 1.5e-09 2.0e-09 2.5e-09 3.0e-09"),
    ],
)
def test_numbers_are_round(low: float, high: float, said: str) -> None:
    assert " ".join(text for _, text in ticks.numbers(low, high, 5)) == said


@pytest.mark.parametrize("low", [0.0, -1e300, 1e-300, 123456789.0, -0.001])
@pytest.mark.parametrize("width", [1e-6, 1.0, 3e7, 1e300])
@pytest.mark.parametrize("make", [ticks.numbers, ticks.spans, ticks.clock])
def test_any_axis_has_ticks_that_lie_on_it(make: object, low: float, width: float) -> None:
    assert callable(make)
    made = make(low, low + width, 6)

    assert len(made) <= 9
    assert all(low - width * 1e-6 <= place <= low + width * (1 + 1e-6) for place, _ in made)


def test_powers_are_places_on_a_scale_of_logarithms() -> None:
    assert ticks.powers(-2, 2, 4) == [(-2, "0.01"), (-1, "0.1"), (0, "1"), (1, "10"), (2, "100")]
    assert [text for _, text in ticks.powers(-1.5, 0.5, 9)] == [
        "0.05",
        "0.1",
        "0.2",
        "0.5",
        "1",
        "2",
    ]
    assert ticks.powers(0, 0.3, 3) == [(0, "1.0"), (math.log10(1.5), "1.5")]
    assert len(ticks.powers(-300, 300, 5)) <= 7


def test_spans_of_time_are_counted_in_their_units() -> None:
    said = [text for _, text in ticks.spans(0, 7_200, 4)]

    assert said == ["0s", "30:00", "1:00:00", "1:30:00", "2:00:00"]
    assert [text for _, text in ticks.spans(0, 260_000, 4)] == ["0s", "1d", "2d", "3d"]
