"""What `nsml eval` and `nsml terminal` need of the training code: its scope, and a moment."""

from __future__ import annotations

import os
import sys

from nsml.constants import RUNNER_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Terminal:
    """Where calls of the training code meet the questions that wait."""

    def __init__(self) -> None:
        self.scope: object = None
        self.module: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Start anew, as a forked child must: it listens from its own first call on."""
        self.waiting = bool(RUNNER_SOCKET) and os.environ.get("NSML_TERMINAL") != "off"
        """Whether there is anything to do here: the one thing that a report looks at."""

    def remember(self, scope: object) -> None:
        """Keep a scope, and the names of the module whose code gives it."""
        self.scope, self.module = scope, sys._getframe(2).f_globals  # noqa: SLF001 - inspect is slow

    def listen(self) -> None:
        """Let questions come in that can be answered at once."""
        from nsml.listening import LISTENER

        LISTENER.start()

    def answer(self) -> None:
        """Evaluate what waits for this moment, if anything does."""
        from nsml.listening import LISTENER

        self.waiting = False
        LISTENER.start()
        LISTENER.answer()


TERMINAL = Terminal()
os.register_at_fork(after_in_child=TERMINAL.reset)
