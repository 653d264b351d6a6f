"""A stop of the session as a script may ask for it: save once more, then end."""

from __future__ import annotations

import os
import signal
import sys
import threading

_ENDED = 128 + signal.SIGTERM


class Emergency:
    """Holds SIGTERM back for a script that asks whether to save, and for no other.

    A script that never asks ends at once, as it always did.
    """

    def __init__(self) -> None:
        self.asked = False
        self.saved = False
        self._watcher = 0

    def watch(self) -> None:
        """Begin to listen, unless the script has a handler of its own."""
        is_free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if is_free and threading.current_thread() is threading.main_thread():
            self._watcher = os.getpid()
            signal.signal(signal.SIGTERM, self._note)

    def leave_if_saved(self) -> None:
        """End as the signal would have it, now that the work is safe."""
        if self.saved:
            sys.exit(_ENDED)

    def _note(self, _number: int, _frame: object) -> None:
        self.asked = True
        if os.getpid() != self._watcher:  # a forked worker must end when its parent tells it to
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
