"""What a curve is made of: points and buckets, gaps, means, logarithms."""

import math

import pytest

from nsml_cli import curves, panels
from nsml_cli.curves import Bucket, Curve
from nsml_cli.panels import Way

NAN, INF = math.nan, math.inf


def curve(*values: float, session: str = "ann/mnist/1", series: str = "loss") -> Curve:
    each = enumerate(values)
    return Curve(session, series, [Bucket(x, x, y, y, y, y, 1) for x, y in each])


def lines(one: Curve) -> list[tuple[float, float, float, float]]:
    """The segments that lead somewhere."""
    return [each for each in curves.segments(one) if each[:2] != each[2:]]


def test_what_is_no_number_is_a_gap() -> None:
    drawn = lines(curve(1, 2, NAN, 3, INF, -INF, 4, 5))

    assert drawn == [(0, 1, 1, 2), (6, 4, 7, 5)]


def test_a_bucket_spans_its_extremes() -> None:
    bucket = Bucket(begin=10, end=20, first=1, last=2, low=-7, high=9, points=100)
    open_end = Bucket(begin=30, end=40, first=3, last=NAN, low=0, high=INF, points=5)

    drawn = lines(Curve("s", "loss", [bucket, open_end]))

    assert drawn == [(10, 1, 20, 2), (15, -7, 15, 9), (20, 2, 30, 3), (35, 0, 35, 3)]


def test_means_begin_at_the_first_value_and_pass_over_gaps() -> None:
    mean = curves.smoothed(curve(4, NAN, 4, 8), 0.5)

    values = [bucket.last for bucket in mean.buckets]
    assert values[0] == 4
    assert math.isnan(values[1])
    assert values[2] == 4
    assert values[3] == pytest.approx((0.25 * 4 + 0.5 * 4 + 1 * 8) / 1.75)


def test_a_bucket_weighs_as_many_points_as_it_has() -> None:
    many = Bucket(0, 9, 1, 1, 1, 1, points=10)
    one = Bucket(10, 10, 2, 2, 2, 2, points=1)

    [_, last] = curves.smoothed(Curve("s", "loss", [many, one]), 0.5).buckets

    assert last.last == pytest.approx(1.5, abs=0.001)


def test_what_has_no_logarithm_is_a_gap() -> None:
    assert lines(curves.logarithmic(curve(1, 10, 0, -1, 100))) == [(0, 0, 1, 1)]


@pytest.mark.parametrize("value", [0.0, 1.0, -5e17, 1e308, 5e-324])
def test_values_that_are_all_the_same_have_room_around_them(value: float) -> None:
    ([panel], _) = panels.arrange([curve(value, value)], Way())

    assert panel.y[0] < panel.y[1]
    assert math.isfinite(panel.y[1] - panel.y[0])


def test_each_series_has_a_panel_and_each_session_a_curve() -> None:
    given = [curve(1, series="acc"), curve(1), curve(2, session="ann/mnist/2")]

    apart, _ = panels.arrange(given, Way())
    together, _ = panels.arrange(given, Way(is_together=True))

    assert [(panel.title, list(panel.names)) for panel in apart] == [
        ("acc", ["ann/mnist/1"]),
        ("loss", ["ann/mnist/1", "ann/mnist/2"]),
    ]
    assert [panel.names[0] for panel in together] == ["ann/mnist/1 acc"]


def test_what_is_left_out_is_said() -> None:
    series = [curve(1, series=f"s{number}") for number in range(1_000)]
    sessions = [curve(1, session=f"ann/mnist/{number}") for number in range(30)]

    many, said = panels.arrange(series, Way())
    [one], also = panels.arrange(sessions, Way())

    assert (len(many), said) == (12, ["12 of 1,000 series are drawn: choose with -k PATTERN."])
    assert (len(one.curves), also) == (10, ["10 curves are drawn on each axis, and no more."])
