"""How far each service had come when it last answered us: the next command sees at least that."""

import json
import os
from pathlib import Path


class Positions:
    """The newest position heard of each service, kept in one small file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _load(file)

    def of(self, service: str) -> str:
        """Return what to send to a service; empty if it never answered us."""
        number = self._known.get(service)
        return f"{service}={number}" if number else ""

    def note(self, header: str) -> bool:
        """Take in a reply's `service=number`; tell whether that is news, and worth saving."""
        service, _, number = header.partition("=")
        if not number.isdigit() or int(number) <= self._known.get(service, 0):
            return False
        self._known[service] = int(number)
        return True

    def save(self) -> None:
        """Write down what was heard, for whoever asks next on this machine."""
        newest = _load(self._file)
        for service, number in self._known.items():
            newest[service] = max(number, newest.get(service, 0))
        self._known = newest
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(newest))
            draft.replace(self._file)
        except OSError:  # a home that we may only read: then we wait for nothing, as before
            return


def _load(file: Path) -> dict[str, int]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):  # none yet, or cut short: then nothing is known
        return {}
    return {str(name): int(number) for name, number in known.items()}
