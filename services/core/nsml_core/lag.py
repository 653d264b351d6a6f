"""How far a view is behind the log, shown to those who look after the platform."""

import asyncio
import contextlib

from nsml_core.errors import Unavailable
from nsml_core.telemetry import Gauge
from nsml_core.views import View

_LAG = Gauge(
    "nsml.view.lag", "{entry}", "From a view's position to the newest entry that it follows."
)
_LOOK_SECONDS = 2.0


async def watch(view: View) -> None:
    """Show the lag of a view, for ever."""
    while True:
        # While the log is away the last value stands; its absence is told by whoever needs it.
        with contextlib.suppress(Unavailable):
            newest = await view.log.newest(view.schema.subjects)
            _LAG.set(max(0, newest - view.position), {"nsml.view.name": view.schema.service})
        await asyncio.sleep(_LOOK_SECONDS)
