"""What a session has used, and what it has cost, as its page says it."""

import math
from datetime import UTC, datetime, timedelta

from nsml_protos.ledger_pb2 import StatementLine
from nsml_protos.session_pb2 import Attempt, Session, SessionUsage, Status, Usage
from nsml_web.costs import so_far
from nsml_web.pages.usage import rows, unit

GB = 1 << 30


def used(
    seconds: int, rank: int = 0, memory: int = 0, gpus: tuple[float, ...] = ()
) -> SessionUsage:
    usage = Usage(
        time_us=1_000_000 * seconds, cpu_cores=rank, memory_bytes=memory, gpu_utilization=gpus
    )
    return SessionUsage(rank=rank, usage=usage)


def test_a_quantity_is_a_chart_and_a_rank_a_line() -> None:
    found = rows([used(100), used(101), used(100, 1)], lambda text: text, is_gang=True)

    assert {row["name"]: (row["x"], row["y"]) for row in found} == {
        "rank 0/CPU (cores)": ([0, 1], [0, 0]),
        "rank 0/Memory (MB)": ([0, 1], [0, 0]),
        "rank 1/CPU (cores)": ([0], [1]),
        "rank 1/Memory (MB)": ([0], [0]),
    }


def test_each_gpu_has_a_line_and_what_it_does_not_say_a_gap() -> None:
    found = rows([used(1, 0, 8 * GB, (0.5, math.nan))], lambda text: text, is_gang=False)

    values = {row["name"]: row["y"][0] for row in found}
    assert values["Memory (GB)"] == 8
    assert values["GPU 0/GPU (%)"] == 50
    assert math.isnan(values["GPU 1/GPU (%)"])


def test_time_is_drawn_in_what_fits_it() -> None:
    assert unit([]) == "seconds"
    assert unit([used(0), used(179)]) == "seconds"
    assert unit([used(0), used(180)]) == "minutes"
    assert unit([used(0), used(3 * 3600)]) == "hours"


def test_what_runs_costs_more_than_the_book_says_yet() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    attempt = Attempt(number=2)
    attempt.started.FromDatetime(began)
    one = Session(status=Status.RUNNING, attempts=[Attempt(number=1), attempt])
    first = StatementLine(event="Charged", attempt=1, amount=5, rate=1)
    held = StatementLine(event="Held", attempt=2, amount=100, rate=2)
    charged = StatementLine(event="Charged", attempt=2, amount=3000, rate=2)
    charged.ended.FromDatetime(began + timedelta(hours=1))

    now = began + timedelta(hours=2)
    assert so_far([held, first], one, now) == 5 + 2 * 7200
    assert so_far([charged, first], one, now) == 3005 + 2 * 3600
    one.status = Status.EXITED
    assert so_far([charged, first], one, now) == 3005
