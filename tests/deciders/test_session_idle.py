"""A session that runs and does nothing is a zombie; work wakes it, silence says nothing."""

from collections.abc import Callable, Sequence
from math import nan

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given as examples
from hypothesis import strategies as st

from nsml_protos.session_pb2 import (
    BecameZombie,
    Placed,
    Requested,
    Resources,
    Session,
    Spec,
    Started,
    StopRequested,
    Usage,
    WokeUp,
)
from nsml_session.idle import Idleness, Rules, judge, observe
from nsml_session.state import SESSION
from tests.deciders.given import Given, given
from tests.deciders.sessions import ENDINGS, NAME, PLACED, STARTED, allocated, resumed

RULES = Rules(after_seconds=60, gpu_below=0.05, cpu_below=0.01, stops=False, grace_seconds=30)
STOPS = Rules(after_seconds=60, gpu_below=0.05, cpu_below=0.01, stops=True, grace_seconds=30)
CORES = Resources(cpus=4)
GPUS = Resources(gpus=2, cpus=4)
SECOND_US = 1_000_000
START_US = 1_700_000_000 * SECOND_US
PERIOD = 5


def sample(second: int, cores: float = 0.0, *gpus: float) -> Usage:
    return Usage(time_us=START_US + second * SECOND_US, cpu_cores=cores, gpu_utilization=gpus)


def idle(first: int, last: int) -> list[Usage]:
    return [sample(second) for second in range(first, last + 1, PERIOD)]


def after(samples: Sequence[Usage], has: Resources = CORES) -> Idleness:
    seen = Idleness()
    for one in samples:
        seen = observe(seen, one, has, RULES)
    return seen


def seconds(seen: Idleness) -> float | None:
    return (seen.until_us - seen.since_us) / SECOND_US if seen.since_us else None


@pytest.mark.parametrize(
    ("has", "samples", "expected"),
    [
        (CORES, [], None),
        (CORES, idle(0, 60), 60),
        (CORES, [*idle(0, 60), sample(65, 0.04)], None),  # 1% of 4 cores
        (CORES, [*idle(0, 60), sample(65, 0.039)], 65),
        (CORES, [sample(0, 4), *idle(5, 20)], 15),
        (CORES, [*idle(0, 10), *idle(71, 80)], 5),  # a minute without a word
        (CORES, [*idle(0, 10), *idle(70, 80)], 80),
        (CORES, [*idle(100, 160), sample(30)], 0),  # its clock was set back
        (GPUS, [sample(0, 4, 0, 0), sample(5, 4, 0.04, 0)], 5),  # whatever its CPUs do
        (GPUS, [sample(0, 0, 0, 0), sample(5, 0, 0, 0.05)], None),  # one works: the session does
        (GPUS, [sample(0), sample(5)], 5),  # no GPU says anything: its CPUs do
        (GPUS, [sample(0), sample(5, 1)], None),
        (GPUS, [sample(0, 0, 0, nan), sample(5, 0, 0, nan)], 5),
        (GPUS, [sample(0, 0, 0, nan), sample(5, 1, 0, nan)], None),
        (Resources(), [sample(0, 0.02)], None),  # without a number of CPUs: of one
    ],
)
def test_how_long_nothing_was_done(
    has: Resources, samples: list[Usage], expected: float | None
) -> None:
    assert seconds(after(samples, has)) == expected


@examples(st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=40))
def test_idleness_is_the_last_unbroken_run_of_samples_without_work(
    steps: list[tuple[int, bool]],
) -> None:
    samples, now = [], 0
    for pause, works in steps:
        now += pause
        samples.append(sample(now, float(works)))
    run: list[Usage] = []
    for one in samples:
        gap = run and one.time_us - run[-1].time_us > 60 * SECOND_US
        run = [] if one.cpu_cores else [one] if gap else [*run, one]

    seen = after(samples)

    assert (seen.since_us or None) == (run[0].time_us if run else None)


def running(has: Resources = CORES, *events: Message) -> Given[Session]:
    spec = Spec(code_tree="c" * 64, entry="main.py", resources=has)
    return given(SESSION, Requested(name=NAME, owner="ann", spec=spec), PLACED, STARTED, *events)


def judged(
    idleness: Idleness, rules: Rules = RULES, attempt: int = 1
) -> Callable[[Session], list[Message]]:
    return lambda state: judge(
        state, attempt=attempt, idleness=idleness, rules=rules, actor="service:session"
    )


def zombie(second: int = 0, reason: str = "it uses less than 1% of its 4 CPUs") -> BecameZombie:
    since = Timestamp(seconds=START_US // SECOND_US + second)
    return BecameZombie(attempt=1, since=since, reason=reason)


STOPPED = StopRequested(
    reason="a zombie: it has done nothing for 90 seconds", actor="service:session"
)


def test_it_becomes_a_zombie_when_it_did_nothing_for_long() -> None:
    running().when(judged(after(idle(0, 55)))).then()
    found = running().when(judged(after(idle(10, 70)))).then_once(zombie(10))

    assert found.state.zombie_since.seconds == START_US // SECOND_US + 10
    found.when(judged(after(idle(10, 6000)))).then()


def test_the_reason_names_what_is_idle() -> None:
    idle_gpus = after([sample(0, 1, 0, 0), sample(60, 1, 0, 0)], GPUS)
    reason = "each of its 2 GPUs is busy for less than 5% of the time"

    running(GPUS).when(judged(idle_gpus)).then_once(zombie(reason=reason))


def test_work_wakes_it_and_silence_does_not() -> None:
    found = running(CORES, zombie())

    found.when(judged(after(idle(300, 305)))).then()
    woken = found.when(judged(after([sample(300, 1)]))).then_once(WokeUp(attempt=1))
    assert not woken.state.HasField("zombie_since")


def test_it_is_stopped_after_a_grace_if_so_configured() -> None:
    found = running(CORES, zombie())

    found.when(judged(after(idle(0, 85)), STOPS)).then()
    found.when(judged(after(idle(0, 90)))).then()
    found.when(judged(after(idle(0, 90)), STOPS)).then_once(STOPPED)


def test_only_a_running_attempt_is_judged() -> None:
    long = after(idle(0, 600))

    for other in (given(SESSION), allocated(), running(CORES, ENDINGS[0])):
        other.when(judged(long)).then()
    running().when(judged(long, attempt=2)).then()
    second = running(CORES, zombie(), ENDINGS[3], resumed(), Placed(attempt=2, node="here"))
    second.when(judged(long)).then()


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ended_session_is_no_zombie(ending: Message) -> None:
    ended = running(CORES, zombie(), ending)

    assert not ended.state.HasField("zombie_since")
    again = ended.and_then(
        resumed(), Placed(attempt=2, node="here"), Started(attempt=2, environment="e")
    )
    assert not again.state.HasField("zombie_since")
