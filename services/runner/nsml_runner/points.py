"""Metric points as columns, between two frames."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nsml_protos import session_pb2
from nsml_runner.messages import Reports

POINT_LIMIT = 50_000
"""Between two frames; what is beyond is dropped, and counted."""
SERIES_LIMIT = 10_000
COUNTED_LIMIT = 100
"""So many counts go into a checkpoint at most: they are part of an event."""


class PointBatch:
    def __init__(self) -> None:
        self.summary: dict[str, float] = {}
        self.dropped = 0
        self._beyond = 0
        self._beyond_said = 0
        self._counts: Counter[str] = Counter()
        self._without_steps: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._indexes: dict[str, int] = {}
        self._series_index: list[int] = []
        self._steps: list[float] = []
        self._times_us: list[int] = []
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return bool(self._values or self.summary)

    def go_on(self, counts: Mapping[str, int]) -> None:
        """Count on from where a checkpoint left the series that have no steps."""
        self._counts.update(counts)
        self._without_steps.update(counts)

    @property
    def counts(self) -> dict[str, int]:
        """How many points the series without steps have; none if there are too many such."""
        names = sorted(self._without_steps & self._counts.keys())
        return {name: self._counts[name] for name in names if len(names) <= COUNTED_LIMIT}

    def take_beyond(self, *, last: bool) -> int:
        """Return how many points of too many series were dropped, each time twice as many.

        A program that goes on so would fill the log with it.
        """
        if self._beyond <= self._beyond_said and not last:
            return 0
        self._beyond_said += self._beyond
        beyond, self._beyond = self._beyond, 0
        return beyond

    def add(self, reports: Reports, now_us: int) -> None:
        """Take reports in; without a step, a series counts its own points."""
        if len(self) + len(reports.values) > POINT_LIMIT:
            self.dropped += len(reports.values)
            return
        taken = [self._known(kind) for kind in reports.names]
        whole = all(len(each) == len(kind) for each, kind in zip(taken, reports.names, strict=True))
        if whole and not any(map(math.isnan, reports.steps)):
            self._add_at_once(reports, now_us)
        else:
            self._add_each(reports, taken, now_us)
        self.summary.update(
            (name, value) for name, value in reports.summary.items() if name in self._counts
        )

    def _known(self, kind: Sequence[str]) -> list[str]:
        """Return which of some series can be taken: there is a limit to how many there are."""
        for name in kind:
            if name not in self._counts and len(self._counts) < SERIES_LIMIT:
                self._counts[name] = 0
        return [name for name in kind if name in self._counts]

    def _add_at_once(self, reports: Reports, now_us: int) -> None:
        indexes = [[self._index(name) for name in kind] for kind in reports.names]
        for which, step, time in zip(reports.which, reports.steps, reports.times_us, strict=True):
            places = indexes[which]
            count = len(places)
            self._series_index += places
            self._steps += (step,) * count
            self._times_us += (time or now_us,) * count
        self._values += reports.values
        for which, times in Counter(reports.which).items():
            for name in reports.names[which]:
                self._counts[name] += times

    def _add_each(self, reports: Reports, taken: Sequence[list[str]], now_us: int) -> None:
        allowed = [set(names) for names in taken]
        values = iter(reports.values)
        for which, step, time in zip(reports.which, reports.steps, reports.times_us, strict=True):
            for name in reports.names[which]:
                value = next(values)
                if name not in allowed[which]:
                    self._beyond += 1
                    continue
                self._add_one(name, step, time or now_us, value)

    def _add_one(self, name: str, step: float, time_us: int, value: float) -> None:
        if math.isnan(step):
            self._without_steps.add(name)
            step = self._counts[name]
        self._counts[name] += 1
        self._series_index.append(self._index(name))
        self._steps.append(step)
        self._times_us.append(time_us)
        self._values.append(value)

    def _index(self, name: str) -> int:
        return self._indexes.setdefault(name, len(self._indexes))

    def take(self) -> session_pb2.Points | None:
        if not self:
            return None
        points = session_pb2.Points(
            series=list(self._indexes),
            series_index=self._series_index,
            steps=self._steps,
            times_us=self._times_us,
            values=self._values,
            summary=self.summary,
        )
        self.summary = {}
        self._clear()
        return points
