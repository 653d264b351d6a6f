"""What an ordeal came to, shown and kept."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench import figures
from bench.figures import Figure, Goal, Row, median
from tests.faults.history import Outcome
from tests.faults.ordeal import Report
from tests.faults.plan import Deed

_KILLS = 1_000


def lines(report: Report) -> Iterator[str]:
    """Say what was done, what came of it, and every violation."""
    for (deed, target), times in sorted(report.broken.hits.items()):
        recovered = report.broken.recoveries.get(target, [])
        took = f", serves again after {median(recovered):.1f} s (median)" if recovered else ""
        yield (f"  {deed} {target}: {times}{took if deed is Deed.KILL else ''}")
    outcomes = Counter(command.outcome for command in report.commands)
    yield ("  commands: " + ", ".join(f"{outcomes[each]} {each}" for each in Outcome))
    yield (f"  {report.entries} entries, {report.sessions} sessions, {report.lines} lines")
    yield (f"  {len(report.violations)} violations in {report.seconds:.0f} s")
    for violation in report.violations:
        yield (f"  {violation}")


def save(reports: Sequence[Report]) -> None:
    """Write the figures of all ordeals beside those of the measurements."""
    figures.save("faults", _row(reports))


def _row(reports: Sequence[Report]) -> Row:
    hits: Counter[tuple[Deed, str]] = Counter()
    recoveries: dict[str, list[float]] = {}
    for report in reports:
        hits.update(report.broken.hits)
        for target, took in report.broken.recoveries.items():
            recoveries.setdefault(target, []).extend(took)
    kills = sum(times for (deed, _), times in hits.items() if deed is Deed.KILL)
    violations = sum(len(report.violations) for report in reports)
    found = [
        Figure("kills", kills, "", Goal("≥", _KILLS)),
        Figure("violations", violations, "", Goal("=", 0)),
        Figure("processes killed", sum(report.broken.processes for report in reports), ""),
        *_sums(reports),
        *(Figure(f"{deed} {target}", times, "") for (deed, target), times in sorted(hits.items())),
        *(
            Figure(f"{target} killed: serves again, median", median(took), "s")
            for target, took in sorted(recoveries.items())
        ),
    ]
    raw: dict[str, Sequence[float]] = {
        f"recovery {name}": took for name, took in recoveries.items()
    }
    raw["seeds"] = [report.ordeal.seed for report in reports]
    raw["kills by seed"] = [report.broken.kills for report in reports]
    raw["seconds by seed"] = [report.seconds for report in reports]
    return Row(found, raw)


def _sums(reports: Sequence[Report]) -> list[Figure]:
    outcomes = Counter(command.outcome for report in reports for command in report.commands)
    return [
        *(Figure(f"commands {outcome}", outcomes[outcome], "") for outcome in Outcome),
        Figure("entries checked", sum(report.entries for report in reports), ""),
        Figure("sessions checked", sum(report.sessions for report in reports), ""),
        Figure("lines checked", sum(report.lines for report in reports), ""),
        Figure("points checked", sum(report.points for report in reports), ""),
        Figure("seconds, all platforms together", sum(report.seconds for report in reports), "s"),
    ]
