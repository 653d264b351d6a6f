"""What every service stands on."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from nsml_core.clients import Clients
from nsml_core.database import Pool
from nsml_core.directory import Directory
from nsml_core.lead import Lead
from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_core.views import View


@dataclass
class Floor:
    """What every service stands on, ready for use."""

    name: str
    settings: Settings
    secret: bytes
    log: Log
    pool: Pool
    view: View
    clients: Clients
    directory: Directory
    stop: asyncio.Event
    lead: Lead
    """What only one of the replicas of a service does."""

    beside: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    """What runs for as long as the service does; the failure of any is the end of the process."""
