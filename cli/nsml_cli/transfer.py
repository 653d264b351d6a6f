"""Folders on their way to the store and back: a bar is shown where it takes a while."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_cli import output
from nsml_cli.text import size
from nsml_client.client import Client

if TYPE_CHECKING:  # a second's tenth that only transfers should cost
    from rich.progress import Progress, Task

_QUIET_SECONDS = 0.5


class Bar:
    """A progress bar that shows itself when the work turns out to be long."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._show_at = time.monotonic() + _QUIET_SECONDS
        self._is_watched = bool(label) and sys.stderr.isatty()
        self._shown: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        if not self._is_watched or (self._shown is None and time.monotonic() < self._show_at):
            return
        if self._shown is None:
            self._shown = _new_bar()
            self._shown.add_task(self._label, total=total)
            self._shown.start()
        self._shown.update(self._shown.task_ids[0], completed=done, total=total)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.stop()


@contextmanager
def bar(label: str) -> Iterator[Bar]:
    """Show a bar while it takes long; without a label, none."""
    shown = Bar(label)
    try:
        yield shown
    finally:
        shown.close()


@contextmanager
def sending(label: str) -> Iterator[Bar]:
    """Show a bar, and say to whoever breaks off that what was sent is not lost."""
    try:
        with bar(label) as shown:
            yield shown
    except KeyboardInterrupt:
        if label:
            output.note("\nWhat was sent is kept: the next push goes on from there.")
        raise


def pull(client: Client, tree: str, target: Path, label: str, *, force: bool) -> None:
    """Write a tree to a new or empty folder; with force, in place of what is there."""
    with bar(label) as shown:
        client.trees.pull(tree, target, force=force, progress=shown)


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Amount(ProgressColumn):
        """How much of how much, how fast; in the units of all that we print."""

        def render(self, task: "Task") -> Text:
            done, total, speed = (
                size(int(number or 0)) for number in (task.completed, task.total, task.speed)
            )
            return Text(f"{done} of {total}  {speed}/s")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        Amount(Column(no_wrap=True)),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
