"""The one place where the SDK speaks to the user: single sentences on stderr."""

from __future__ import annotations

import sys

_said: set[str] = set()


def warn(sentence: str) -> None:
    """Say a sentence on stderr."""
    try:
        sys.stderr.write(f"nsml: {sentence}\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        # stderr is absent, broken or closed: a message that nobody can hear must not end training.
        return


def warn_once(topic: str, sentence: str) -> None:
    """Say a sentence unless one on the same topic was said before."""
    if topic not in _said:
        _said.add(topic)
        warn(sentence)
