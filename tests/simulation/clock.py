"""The clocks of the simulated world: one time, and for each process how wrong its clock is."""

from datetime import datetime, timedelta, tzinfo

from tests.simulation.loop import PROCESS
from tests.simulation.world import world


def now() -> datetime:
    """Return what the clock of the process that asks shows."""
    here = world()
    drift = here.drifts.get(PROCESS.get().name, 0.0)
    return here.began + timedelta(seconds=here.loop.time() + drift)


class Clock(datetime):
    """Stands where services read the time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return now().astimezone(tz)
