"""Whole processes, timed side by side: each in turn, so that all see the same machine."""

import subprocess
import time
from collections.abc import Mapping, Sequence


def seconds(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Return how long a process takes from its start to its end."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def interleaved(
    commands: Mapping[str, Sequence[str]],
    times: int,
    environment: Mapping[str, str] | None = None,
) -> dict[str, list[float]]:
    """Time each command so many times, in rounds of one each; a first round warms the caches."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times + 1):
        for name, command in commands.items():
            found[name].append(seconds(command, environment))
    return {name: values[1:] for name, values in found.items()}
