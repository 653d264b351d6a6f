"""What `import nsml` adds to the start of a training script."""

import sys
from importlib.metadata import requires

from bench.figures import Figure, Goal, Row, median
from bench.timing import interleaved

_TIMES = 31


def measure() -> Row:
    taken = interleaved(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import nsml": [sys.executable, "-c", "import nsml"],
        },
        _TIMES,
    )
    bare, ours = median(taken["python -c pass"]), median(taken["import nsml"])
    needed = [each for each in requires("nsml") or () if "extra ==" not in each]
    return Row(
        [
            Figure("import nsml", 1000 * (ours - bare), "ms", Goal("≤", 15)),
            Figure("its dependencies", len(needed), "", Goal("=", 0)),
            Figure("bare python, for comparison", 1000 * bare, "ms"),
        ],
        taken,
    )
