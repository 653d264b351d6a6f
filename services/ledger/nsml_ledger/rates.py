"""What a session costs, and how credits are counted.

Amounts are whole GPU-milliseconds, so that charging to the millisecond never rounds: one GPU for
one minute is 60,000, which people see as 1 credit.
"""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

CREDIT = 60_000
GPU_RATE = 1_000  # GPU-milliseconds per second of one GPU

HOLD_SECONDS = 600
"""How much time is set aside at once; a session that runs on sets aside more."""

EXTEND_SECONDS = 120
"""How long before a hold is used up more is set aside."""


def rate(gpus: int, cpus: int, cpu_rate: int) -> int:
    """Return what a session of this size costs, in GPU-milliseconds per second.

    `cpu_rate` is what one core of a session without GPUs costs; cores beside GPUs cost nothing.
    """
    return gpus * GPU_RATE if gpus else cpus * cpu_rate


def cost(rate_per_second: int, milliseconds: int) -> int:
    """Return what this much time costs, rounded down to whole GPU-milliseconds."""
    return rate_per_second * max(milliseconds, 0) // 1_000


def covered_milliseconds(rate_per_second: int, amount: int) -> int:
    """Return how long an amount lasts."""
    return amount * 1_000 // rate_per_second


def milliseconds(start: Timestamp, end: Timestamp) -> int:
    """Return how many whole milliseconds an interval has; below zero if a clock went back."""
    return (end.ToNanoseconds() - start.ToNanoseconds()) // 1_000_000


def later(time: Timestamp, by_milliseconds: int) -> Timestamp:
    """Return the time so much after another."""
    after = Timestamp()
    after.FromNanoseconds(time.ToNanoseconds() + by_milliseconds * 1_000_000)
    return after


def timestamp(time: datetime) -> Timestamp:
    """Return a time as messages hold it."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
