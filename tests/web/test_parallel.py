"""Sessions as lines across axes: what becomes an axis, and what it says of each."""

import math

from nsml_protos.session_pb2 import Series
from nsml_web.pages.parallel import given, metrics


def test_what_differs_is_an_axis_of_numbers_or_of_words() -> None:
    rate, kind = given(
        [
            {"--lr": "0.1", "--kind": "sgd", "--same": "1"},
            {"--lr": "1e-2", "--kind": "adam", "--same": "1"},
            {"--kind": "adam", "--same": "1"},
        ]
    )

    assert (rate["name"], rate["numbers"]) == ("--lr", {"given": [0.1, 0.01, None]})
    assert (kind["texts"], kind["numbers"]) == (["sgd", "adam", "adam"], {})


def test_a_metric_has_its_last_and_its_extremes() -> None:
    whole = Series(name="loss", steps=[9], values=[2], mins=[1], maxs=[3], counts=[10])
    broken = Series(name="loss", steps=[9], values=[math.nan], mins=[1], maxs=[math.inf])
    (axis,) = metrics([[whole], [broken], []])

    assert axis["numbers"] == {
        "last": [2, None, None],
        "least": [1, 1, None],
        "greatest": [3, None, None],
    }
