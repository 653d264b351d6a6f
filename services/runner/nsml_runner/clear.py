"""Ends what is left of an attempt on a node: `python -m nsml_runner.clear`, run there as a job.

It returns when the engine has said that nothing of it runs: only then are its devices free. With
`--all` it ends whatever sessions have left, on a node that is about to join.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

from nsml_core.errors import Unavailable
from nsml_runner.containers import Engine

_RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


def clear(engine: Engine, labelled: Sequence[Mapping[str, str]]) -> None:
    """Remove all containers and networks that have one of these sets of labels."""
    for labels in labelled:
        for container in engine.find(labels):
            engine.remove(container)
        for network in engine.networks():
            if _has(network.labels, labels):
                engine.remove_network(network.id)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Tell whether all that is wanted is there; what is wanted without a value may have any."""
    return all(
        name in labels and labels[name] == (value or labels[name]) for name, value in wanted.items()
    )


def main(words: Sequence[str] = sys.argv[1:]) -> None:
    parser = argparse.ArgumentParser(prog="python -m nsml_runner.clear", description=__doc__)
    parser.add_argument("--all", action="store_true", help="of whatever session")
    parser.add_argument("--session")
    parser.add_argument("--attempt")
    parser.add_argument("--claim", help="what the container of its runner is labelled with")
    asked = parser.parse_args(words)
    labelled: list[dict[str, str]] = [{"nsml.claim": ""}, {"nsml.session": ""}]
    if not asked.all:
        attempt = {"nsml.session": asked.session, "nsml.attempt": asked.attempt}
        labelled = [{"nsml.claim": asked.claim}, attempt]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            clear(Engine(), labelled)
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise
            sys.stderr.write(f"{error.sentence}\n")
            time.sleep(_RETRY_SECONDS)
        else:
            return


if __name__ == "__main__":
    main()
