"""Ends the containers of an attempt whose runner is gone: `python -m nsml_runner.sweep FOLDER`.

Containers are no descendants of their runner. So a runner marks its folder before it makes one, and
takes the folder away when none is left. Where a marked folder has no runner, this program is
started, and ends when the engine has said that nothing runs: only then are its devices free.
"""

import sys
import time
from pathlib import Path

from nsml_core.errors import Error
from nsml_runner import marks
from nsml_runner.containers import Engine
from nsml_runner.networks import Networks

RETRY_SECONDS = 1.0


def sweep(folder: Path) -> None:
    """Remove the containers of an attempt, its network and the mark."""
    engine, labels = Engine(), marks.read(folder)
    for container in engine.find(labels):
        engine.remove(container)
    Networks(engine, Path(labels[marks.HOME]) / "cache").tidy(labels[marks.HOME])
    marks.remove(folder)


def main() -> None:
    folder = Path(sys.argv[1])
    while marks.is_marked(folder):
        try:
            sweep(folder)
        except Error as error:  # who cannot be asked may still run something
            sys.stderr.write(f"{folder}: {error.sentence}\n")
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
