"""What users would pick instead, measured on this machine: `python -m bench.peers [PEER…]`.

Each peer is a program of its own, run with its own interpreter. One that does not run here is said
to have not run; no figure of it is taken from elsewhere.
"""

import sys
from pathlib import Path

from bench.figures import Figure, Row, median
from bench.peers import environments

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv" / "peers"
_PEERS = ("slurm", "ray", "prefect")


def main() -> int:
    environments.install(_ENVIRONMENT, "requirements.txt")
    failed = [name for name in sys.argv[1:] or _PEERS if not _measure(name)]
    return len(failed)


def _measure(name: str) -> bool:
    command = [_ENVIRONMENT / "bin/python", _HERE / f"on_{name}.py"]
    return environments.measure(name, command, _row, RAY_AUTH_MODE="disabled")


def _row(name: str, found: dict[str, float | list[float]]) -> Row:
    latency, jobs, seconds = found["latency"], found["jobs"], found["seconds"]
    assert isinstance(latency, list)  # noqa: S101 - the program beside us wrote it
    assert not isinstance(jobs, list)  # noqa: S101 - (the same)
    assert not isinstance(seconds, list)  # noqa: S101 - (the same)
    assert not isinstance(found["ready"], list)  # noqa: S101 - (the same)
    return Row(
        [
            Figure(f"{name}: submitted to running, median", median(latency), "s"),
            Figure(f"{name}: no-op jobs", jobs / seconds, "jobs/s"),
            Figure(f"{name}: start to ready", found["ready"], "s"),
        ],
        {"latency": latency},
    )


if __name__ == "__main__":
    sys.exit(main())
