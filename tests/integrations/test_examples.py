"""The examples train with the real frameworks, and a fork goes on where its parent was."""

import pytest

from tests.history.training import points, saved
from tests.integrations.examples import forked, ran
from tests.journeys.person import Person


def test_a_lightning_module_goes_on_as_if_it_had_never_stopped(
    ann: Person, frameworks: str
) -> None:
    whole = ran(ann, frameworks, "lightning", "-a", "--epochs 4")
    half = ran(ann, frameworks, "lightning", "-a", "--epochs 2")

    rest = forked(ann, half, "-a", "--epochs 4")

    assert "began, and ended after 8 steps" in ann.says("logs", half)
    assert "went on, and ended after 16 steps" in ann.says("logs", rest)
    assert saved(ann, whole) == ["4", "8", "12", "16"]
    assert saved(ann, rest) == ["12", "16"]
    steps, losses = points(ann, whole, "train/loss")
    assert points(ann, rest, "train/loss") == (steps[8:], losses[8:])
    assert points(ann, half, "val/loss")[0] == [3, 7]
    assert set(ann.json("show", whole)["summary"]) == {"val/loss"}
    ann.says("download", whole, ".")
    written = ann.folder / whole.replace("/", "_") / "output" / "hparams.json"
    assert written.read_text() == '{\n  "lr": 0.1\n}'


def test_the_trainer_of_transformers(ann: Person, frameworks: str) -> None:
    half = ran(ann, frameworks, "huggingface", "-a", "--steps 4")

    rest = forked(ann, half, "-a", "--steps 8")

    assert "began, and ended after 4 steps" in ann.says("logs", half)
    assert "went on, and ended after 8 steps" in ann.says("logs", rest)
    assert (saved(ann, half), saved(ann, rest)) == (["4"], ["8"])
    assert points(ann, half, "loss")[0] == [1, 2, 3, 4]
    assert points(ann, rest, "loss")[0] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("example", "series", "checkpoint", "steps"),
    [
        ("sklearn", "test/accuracy", "2", [3, 4, 5, 6]),
        ("xgboost", "test/logloss", "15", [16, 17, 18, 19, 20]),
    ],
)
def test_what_has_no_trainer(
    ann: Person, frameworks: str, example: str, series: str, checkpoint: str, steps: list[int]
) -> None:
    whole = ran(ann, frameworks, example)

    rest = forked(ann, whole, "-c", checkpoint)

    known = dict(zip(*points(ann, whole, series), strict=True))
    assert points(ann, rest, series) == (steps, [known[step] for step in steps])
