"""The whole terminal as one picture, for as long as something is watched."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, ScreenContext
from rich.text import Text


class Screen:
    """What a terminal shows instead of what it showed before."""

    def __init__(self, context: ScreenContext) -> None:
        self._context = context

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines; into a pipe nothing is drawn."""
        if self._context.console.is_terminal:
            text = Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop", end="")
            self._context.update(text)


@contextmanager
def taken_over() -> Iterator[Screen]:
    """Take the terminal over, and give it back as it was, however this ends."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Console(highlight=False).screen() as context:
            yield Screen(context)
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
