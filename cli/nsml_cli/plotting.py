"""Drawing the metrics of sessions: once, again and again until they have ended, or in files."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from nsml_cli import curves, output, panels, picture, sessions
from nsml_cli.axes import Paper
from nsml_cli.curves import Curve
from nsml_cli.exits import ExitCode
from nsml_cli.panels import Way
from nsml_cli.text import clean, counted, has_colour
from nsml_client.client import Client
from nsml_core.errors import NotFound, Unavailable

_SECONDS = 1.0
_DOTS = 2
"""Of Braille, side by side in one column."""

_SMOOTH_BUCKETS = 10_000
_FILE_BUCKETS = 2_000
_PIPE_SIZE = (100, 30)
_SUGGESTIONS = 5


class Plot:
    """What is drawn: which series of which sessions, and how."""

    def __init__(
        self, client: Client, names: Sequence[str], patterns: Sequence[str], way: Way
    ) -> None:
        self._client = client
        self._names = names
        self._patterns = patterns
        self._way = way

    def show(self) -> None:
        """Draw once."""
        paper = _paper(spare=1)
        drawn, said = panels.arrange(self._found(paper.width * _DOTS), self._way)
        for line in picture.draw(drawn, paper):
            sys.stdout.write(line + "\n")
        _note(said)

    def write(self, files: Mapping[str, Path]) -> None:
        """Draw into files, by their formats."""
        from nsml_cli import picture_file

        drawn, said = panels.arrange(self._found(_FILE_BUCKETS), self._way)
        for form, file in files.items():
            picture_file.write(drawn, file, form)
            output.show(f"Wrote {file}")
        _note(said)

    def follow(self) -> None:
        """Draw again and again until all have ended, or until Ctrl-C."""
        from nsml_cli.screen import taken_over

        try:
            with taken_over() as screen:
                while live := self._live():
                    screen.draw(self._now(len(live)))
                    time.sleep(_SECONDS)
        except KeyboardInterrupt:
            output.note("\nWhat runs goes on: only the watching has ended.")
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None

    def _now(self, live: int) -> list[str]:
        """Return the picture of now, no higher than the terminal, and a line about it."""
        paper = _paper(spare=2)
        try:
            found = self._read(paper.width * _DOTS)
        except Unavailable as error:
            return [clean(error.sentence)]
        most = picture.capacity(paper, min(len(self._names), panels.CURVES_MAX))
        drawn, said = panels.arrange(found, self._way, most)
        lines = picture.draw(drawn, paper) if drawn else ["No metrics yet."]
        about = (
            f"{time.strftime('%H:%M:%S')}  {live} of {counted(len(self._names), 'session')} live."
        )
        return [*lines, "", " ".join([about, *said, "Ctrl-C leaves."])]

    def _live(self) -> list[str]:
        found = [sessions.get(self._client, name) for name in self._names]
        return [one.name for one in found if sessions.is_live(one)]

    def _found(self, buckets: int) -> list[Curve]:
        """Return what is to be drawn; it is an error if there is nothing."""
        found = self._read(buckets)
        if found:
            return found
        if not self._patterns:
            raise NotFound(f"{', '.join(self._names)}: no metrics were reported; see docs/sdk.md.")
        every = self._read(1, everything=True)
        known = list(dict.fromkeys(curve.series for curve in every))
        there = ", ".join(known[:_SUGGESTIONS]) + (", …" if len(known) > _SUGGESTIONS else "")
        raise NotFound(f"No series matches: there is {there or 'none yet'}.")

    def _read(self, buckets: int, *, everything: bool = False) -> list[Curve]:
        patterns = [] if everything else self._patterns
        many = _SMOOTH_BUCKETS if self._way.smoothing else buckets
        found = [
            curve
            for name in self._names
            for curve in curves.read(self._client, name, patterns, self._way.along, many)
        ]
        return sorted(found, key=lambda curve: curve.series)


def _note(said: Sequence[str]) -> None:
    for sentence in said:
        output.note(sentence)


def _paper(spare: int) -> Paper:
    """Return what the terminal has room for, but for some lines; a pipe has a usual size."""
    width, height = shutil.get_terminal_size(_PIPE_SIZE)
    encoding = sys.stdout.encoding or "ascii"
    has_braille = encoding.lower().replace("-", "").startswith("utf")
    return Paper(max(width, 20), height - spare, has_colour(), has_braille)
