"""What users would pick instead of our metrics, measured here: `-m bench.peers.metrics`."""

import sys
from pathlib import Path
from typing import Any

from bench.figures import Figure, Row, median, quantile
from bench.peers import environments

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv" / "metrics-peers"
_PEERS = ("trackio", "tensorboard", "wandb")


def main() -> int:
    environments.install(_ENVIRONMENT, "metrics.txt")
    failed = [name for name in sys.argv[1:] or _PEERS if not _measure(name)]
    return len(failed)


def _measure(name: str) -> bool:
    command = [_ENVIRONMENT / "bin/python", _HERE / f"measure_{name}.py"]
    return environments.measure(name, command, _row, PYTHONPATH=str(_HERE.parents[1]))


def _row(name: str, found: dict[str, Any]) -> Row:
    return Row(
        [
            Figure(f"{name}: one scalar, p50", median(found["one"]), "µs"),
            Figure(f"{name}: one scalar, p99", quantile(found["one"], 0.99), "µs"),
            Figure(f"{name}: ten series, p50", median(found["ten"]), "µs"),
            Figure(f"{name}: ten series, p99", quantile(found["ten"], 0.99), "µs"),
            Figure(f"{name}: ten series × 10,000, until readable", found["points/s"], "points/s"),
            *_reading(name, found),
            Figure(f"{name}: stored for a point", found["bytes"], "bytes"),
        ],
        {"read": found.get("read", [])},
    )


def _reading(name: str, found: dict[str, Any]) -> list[Figure]:
    """What a peer takes that can be asked; who only writes a file cannot."""
    if "read" not in found:
        return []
    return [
        Figure(f"{name}: one point, logged to seen", found["seen"], "s"),
        Figure(f"{name}: 100,000 points read", median(found["read"]), "ms"),
    ]


if __name__ == "__main__":
    sys.exit(main())
