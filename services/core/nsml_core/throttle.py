"""How much one person may ask in a short time, so that nobody keeps the others waiting.

A bucket for each: so many calls are in it, and it fills again at a steady rate.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from nsml_core.errors import Throttled

RETRY = "x-nsml-retry-ms"
"""Goes with the refusal: after so many milliseconds it is worth to ask again."""

_KEPT = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    time: float


class Throttle:
    """All buckets of one process."""

    def __init__(self, rate: float, burst: float) -> None:
        """Let everybody make so many calls a second, and so many at once; a rate of 0: any."""
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, who: str) -> None:
        """Count a call of somebody, or refuse it."""
        if not self._rate:
            return
        now = time.monotonic()
        bucket = self._buckets.setdefault(who, _Bucket(self._burst, now))
        self._buckets.move_to_end(who)
        bucket.left = min(self._burst, bucket.left + (now - bucket.time) * self._rate)
        bucket.time = now
        if bucket.left < 1:
            seconds = (1 - bucket.left) / self._rate
            raise Throttled(
                f"These are more than {self._rate:g} calls a second: try again in {seconds:.1f} s.",
                seconds,
            )
        bucket.left -= 1
        while len(self._buckets) > _KEPT:  # whoever has said nothing for longest has a full one
            self._buckets.popitem(last=False)
