"""Names of series and records in a session of several processes: those of rank 0 have no rank."""

import re
from dataclasses import replace

from nsml_runner.messages import Reports

_RANKED = re.compile(r"rank\d+/")
"""As the PeriFlow shim names what other processes report than that of rank 0."""


def ranked(name: str, rank: int) -> str:
    """Return the name under which something is kept that a process reports."""
    return name if not rank or _RANKED.match(name) else f"rank{rank}/{name}"


def of_rank(reports: Reports, rank: int) -> Reports:
    """Return reports with the names under which they are kept."""
    if not rank:
        return reports
    return replace(
        reports,
        names=[[ranked(name, rank) for name in kind] for kind in reports.names],
        summary={ranked(name, rank): value for name, value in reports.summary.items()},
    )
