"""Images, histograms and tables: what scripts hand over, and what is sent of it."""

import io
import json
from typing import Any

import matplotlib.image as pictures
import numpy as np
import pytest

from nsml import records


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be queued: kind, name, step, media type, data."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(records, "_put", lambda *record: found.append(record))
    return found


PIXELS = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3) * 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS.transpose(2, 0, 1)[:, :, :1].repeat(9, axis=2), PIXELS[:, :1].repeat(9, axis=1)),
        (PIXELS / 255.0, PIXELS),
        (PIXELS.astype(np.int64), PIXELS),
        (PIXELS[:, :, 0], PIXELS[:, :, 0]),
        (PIXELS[:, :, :1], PIXELS[:, :, 0]),
    ],
)
def test_arrays_become_png_files(sent: list[tuple[Any, ...]], given: Any, expected: Any) -> None:
    records.image("dot", given, step=3)

    ((kind, name, step, media, data),) = sent
    shown = pictures.imread(io.BytesIO(data), format="png")
    assert (kind, name, step, media) == ("image", "dot", 3, "image/png")
    assert (np.rint(shown * 255).astype(np.uint8) == expected).all()


@pytest.mark.parametrize("given", [[[1, 2]], np.zeros((7, 2, 7)), np.zeros(3), b"plain", 7])
def test_what_is_no_image_is_an_error(given: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"image\(\) takes"):
        records.image("dot", given)


def test_histograms_count_every_number(sent: list[tuple[Any, ...]]) -> None:
    records.histogram("w", np.array([[0.0, 1.0], [2.0, np.nan]]), bins=4)
    records.histogram("same", [5.0, 5.0], bins=2)
    records.histogram("none", [])

    first, same, none = (json.loads(record[4]) for record in sent)
    assert (first["counts"], first["edges"]) == ([1, 0, 1, 1], [0.0, 0.5, 1.0, 1.5, 2.0])
    assert (first["count"], first["not_finite"], first["sum"]) == (3, 1, 3.0)
    assert sum(same["counts"]) == 2
    assert none["count"] == 0


def test_tables_come_as_rows_or_dicts(sent: list[tuple[Any, ...]]) -> None:
    records.table("t", [[1, np.float32(0.5)], ["x", object]], columns=["a", "b"])
    records.table("t", [{"a": 1}, {"b": None}])

    first, second = (json.loads(record[4]) for record in sent)
    assert first == {"columns": ["a", "b"], "rows": [[1, 0.5], ["x", "<class 'object'>"]]}
    assert second == {"columns": ["a", "b"], "rows": [[1, None], [None, None]]}
