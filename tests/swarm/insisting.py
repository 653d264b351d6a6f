"""Somebody who asks the platform something again and again, and notes each refusal."""

from collections.abc import Callable

from tests.swarm.machines import Refused
from tests.swarm.repeated import Repeated


class Insisting(Repeated):
    """Asks without a pause."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(self._insist)
        self._ask = ask
        self.refusals: list[str] = []

    def _insist(self) -> None:
        try:
            self._ask()
        except Refused as refused:
            self.refusals.append(str(refused))
