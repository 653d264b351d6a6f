"""Whether a session did the same: what counts as a difference, and how large it is said to be."""

import pytest

from nsml_client.same import GPU_TOLERANCE, Comparison, compare
from nsml_protos.session_pb2 import (
    FAILED,
    STOPPED,
    Attempt,
    Checkpoint,
    MetricsReply,
    Mount,
    Outcome,
    Resources,
    Series,
    Session,
    Spec,
)


def session(gpus: int = 0, **changed: object) -> Session:
    spec = Spec(code_tree="c", seed=1, env={"A": "1"}, resources=Resources(gpus=gpus, cpus=1))
    spec.datasets.append(Mount(dataset="d", revision=1, tree="t"))
    one = Session(name="ann/d/1", spec=spec)
    one.attempts.append(Attempt(number=1, environment="e", packages=["a==1"], python="3.11"))
    one.checkpoints.append(Checkpoint(name="1", tree="x" * 64, bytes=11))
    one.MergeFrom(Session(**changed))  # type: ignore[arg-type]
    return one


def told(*values: float, name: str = "loss") -> MetricsReply:
    steps = [float(step) for step in range(len(values))]
    return MetricsReply(series=[Series(name=name, steps=steps, values=values)])


def compared(
    one: Session, other: Session, tolerance: float | None = None, values: float = 1.0
) -> Comparison:
    return compare(one, other, told(1, 1), told(1, values), tolerance=tolerance)


def test_the_same_is_identical() -> None:
    found = compared(session(), session())

    assert (found.verdict, found.checkpoints, found.points) == ("identical", 1, 2)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (session(spec=Spec(seed=2)), "Seed: 1, then 2"),
        (session(spec=Spec(args=["x y"])), "Args: none, then 'x y'"),
        (session(spec=Spec(env={"B": "2"})), "Variables: A=1, then A=1 B=2"),
        (session(spec=Spec(code_tree="e")), "Code: c, then e"),
        (session(gpus=1), "GPUs, CPUs, memory, seconds: 0, 1, 0, 0, then 1, 1, 0, 0"),
        (session(status=FAILED, outcome=Outcome(signal=9)), "Ending: Status_unspecified, then"),
        (session(status=STOPPED), "Ending: Status_unspecified, then Stopped"),
    ],
)
def test_what_was_given_and_how_it_ended_is_compared(other: Session, difference: str) -> None:
    found = compared(session(), other)

    assert found.verdict == "not identical"
    assert found.differences[0].startswith(difference)


def test_environments_are_compared_by_what_is_in_them() -> None:
    other = session()
    other.attempts[0].packages[:] = ["a==2"]
    other.attempts[0].environment = "f"

    assert compared(session(), other).differences == [
        "Packages: a==1, then a==2",
        "Environment: e, then f",
    ]
    unknown = session()
    unknown.attempts[0].ClearField("packages")
    unknown.attempts[0].ClearField("python")
    assert compared(unknown, session()).identical


def test_differences_say_how_large_they_are() -> None:
    other = session()
    other.checkpoints[0].tree = "y" * 64

    found = compared(session(), other, values=1.5)

    assert found.differences == [
        f"Model 1: {'x' * 12} of 11 bytes, then {'y' * 12} of 11 bytes",
        "Metric loss: first at step 1: 1, then 1.5; at most 0.5 apart",
    ]


def test_the_series_that_parts_first_is_named_first() -> None:
    one = MetricsReply(series=[*told(1, 1, 1, name="a").series, *told(1, 1, 1, name="b").series])
    other = MetricsReply(series=[*told(1, 1, 2, name="a").series, *told(1, 2, 1, name="b").series])

    found = compare(session(), session(), one, other)

    assert [line.split(":")[0] for line in found.differences] == ["Metric b", "Metric a"]


@pytest.mark.parametrize(
    ("gpus", "tolerance", "apart", "verdict"),
    [
        (0, None, 1e-9, "not identical"),
        (1, None, 0.0, "identical"),
        (1, None, GPU_TOLERANCE / 2, "the same within a tolerance of 1e-05"),
        (1, None, GPU_TOLERANCE * 2, "not identical"),
        (1, 0.0, 1e-9, "not identical"),
        (0, 0.1, 0.05, "the same within a tolerance of 0.1"),
    ],
)
def test_gpus_have_a_tolerance_unless_another_is_given(
    gpus: int, tolerance: float | None, apart: float, verdict: str
) -> None:
    found = compared(session(gpus), session(gpus), tolerance, values=1 + apart)

    assert found.verdict == verdict


def test_within_a_tolerance_models_may_differ_and_may_not_be_missing() -> None:
    other = session(gpus=1)
    other.checkpoints[0].tree = "y" * 64
    missing = session(gpus=1)
    del missing.checkpoints[:]

    assert compared(session(1), other).verdict == "the same within a tolerance of 1e-05"
    assert compared(session(1), missing).differences == ["Model 1: ann/d/1 has none"]
