"""What a measurement yields: figures with their goals, and raw values; kept and shown."""

import json
import operator
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

_COMPARISONS = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Goal:
    """What a figure is to be: `Goal("≤", 0.4)`."""

    comparison: str
    limit: float

    def is_met(self, value: float) -> bool:
        return bool(_COMPARISONS[self.comparison](value, self.limit))

    def __str__(self) -> str:
        return f"{self.comparison} {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One number; without a goal it is there to compare with."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None


@dataclass(frozen=True)
class Row:
    """All that one measurement found."""

    figures: Sequence[Figure]
    raw: Mapping[str, Sequence[float]] = field(default_factory=dict)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of all values does not exceed."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def save(name: str, row: Row) -> None:
    """Write a row, raw values and machine included, as `results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    found = {"row": name, "machine": machine(), **asdict(row)}
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def machine() -> dict[str, object]:
    """Describe this machine without naming it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
        "kernel": platform.system(),
        "load": os.getloadavg()[0],
    }


def show(row: Row) -> None:
    """Print a row's figures beside their goals."""
    for figure in row.figures:
        line = f"  {figure.name:<58} {figure.value:>9.4g} {figure.unit:<11}"
        if figure.goal is not None:
            verdict = "met" if figure.goal.is_met(figure.value) else "MISSED"
            line += f" {figure.goal!s:>8}  {verdict}"
        print(line.rstrip())
