"""MLflow's pages beside ours on the same points, in the same browser: `-m bench.peers.web`."""

import asyncio
import sys

from bench import figures
from bench.figures import Figure, Goal, Row, median
from bench.home import code, running
from bench.peers import pages_of_mlflow
from bench.web import IN_VIEW, POINTS, SERIES, Raw, Visit, browser, drawn, report

_TIMES = 3


def main() -> int:
    raw = _ours()
    with browser() as page:
        first, charts = pages_of_mlflow.measure(page, SERIES, POINTS, IN_VIEW, _TIMES)
    row = _row({**raw, "mlflow": first, "mlflow drawn": charts})
    figures.save("peer-mlflow-pages", row)
    figures.show(row)
    return 0


def _ours() -> Raw:
    source = "import time\ntime.sleep(3600)\n"
    with running(cpus=1) as platform, code(source) as folder:
        platform.nsml("run", folder=folder)
        (name,) = platform.nsml("ps", "-q").split()
        asyncio.run(report(platform, name, SERIES, POINTS))
        at, address = Visit.of(platform), f"/sessions/{name}"
        first = [at.first_byte(address) for _ in range(_TIMES)]
        with browser() as page:
            page.goto(platform.nsml("open", "-p").strip())
            charts = [drawn(page, at.origin + address) for _ in range(_TIMES)]
    return {"page": first, "drawn": charts}


def _row(raw: Raw) -> Row:
    ratio = median(raw["mlflow drawn"]) / median(raw["drawn"])
    return Row(
        [
            Figure("50 series × 100,000: first byte of the page", median(raw["page"]), "s"),
            Figure("… by MLflow", median(raw["mlflow"]), "s"),
            Figure("… the charts in view drawn", median(raw["drawn"]), "s"),
            Figure("… by MLflow", median(raw["mlflow drawn"]), "s"),
            Figure("… so much sooner than MLflow", ratio, "times", Goal("≥", 1)),
        ],
        raw,
    )


if __name__ == "__main__":
    sys.exit(main())
