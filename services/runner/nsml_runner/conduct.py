"""How the code of a session is treated that does not train: what it may keep, and who hears it."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nsml_protos.session_pb2 import Purpose, Source, Spec, Usage

BOARD_KINDS = (Purpose.SUBMIT, Purpose.REHEARSE)
JUDGES = (Purpose.RESCORE, Purpose.TRY)
_TAIL_BYTES = 64 << 10


@dataclass
class Conduct:
    """What follows from the purpose of a session, and from the terms of its board."""

    kind: "Purpose.Kind.ValueType"
    hold_seconds: int = 0
    """What is seen of hidden code is seen at multiples of it: when it did what says little then."""

    loaded: Callable[[], None] | None = None
    """Called when the code has loaded its model."""

    began: float = field(default_factory=time.monotonic)

    @property
    def keeps(self) -> bool:
        """Its checkpoints, and what it caches, are kept."""
        return self.kind == Purpose.KIND_UNSPECIFIED

    @property
    def is_hidden(self) -> bool:
        """Nobody hears what it prints and reports."""
        return self.kind == Purpose.SUBMIT

    @property
    def for_board(self) -> bool:
        return self.kind in BOARD_KINDS

    def restart(self) -> None:
        """Count from now on."""
        self.began = time.monotonic()

    def seconds(self) -> float:
        """Return how long it has run, as it may be told."""
        passed = time.monotonic() - self.began
        if not self.is_hidden or not self.hold_seconds:
            return passed
        return float(math.ceil(passed / self.hold_seconds) * self.hold_seconds)

    async def hold(self) -> None:
        """Wait until it may be told that something has happened."""
        if self.is_hidden:
            await asyncio.sleep(max(self.began + self.seconds() - time.monotonic(), 0.0))


def is_isolated(spec: Spec) -> bool:
    """Tell whether a container is to have no network: what is hidden lies before it."""
    return spec.no_network or spec.purpose.kind in (Purpose.SUBMIT, *JUDGES)


class Hearing(Protocol):
    """Who takes samples of what code uses."""

    def usage(self, sample: Usage) -> None: ...


class Printing(Protocol):
    """Who takes what code prints."""

    def take(self, source: "Source.ValueType", data: bytes) -> None: ...

    def finish(self) -> None: ...


class Unheard:
    """In place of the feed where samples of use are not told: they would say what the code does."""

    def usage(self, sample: Usage) -> None:
        """Take a sample, and say nothing."""


class Tail:
    """In place of what is printed into the log: the end of it, for the runner alone."""

    def __init__(self, onwards: Callable[["Source.ValueType", bytes], None] | None = None) -> None:
        self._tails: dict[int, bytes] = {}
        self._onwards = onwards

    def take(self, source: "Source.ValueType", data: bytes) -> None:
        """Take a piece of one stream."""
        self._tails[source] = (self._tails.get(source, b"") + data)[-_TAIL_BYTES:]
        if self._onwards is not None:
            self._onwards(source, data)

    def finish(self) -> None:
        """No more comes."""

    def lines(self, source: "Source.ValueType") -> list[str]:
        """Return the last lines of a stream, without empty ones."""
        text = self._tails.get(source, b"").decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()]
