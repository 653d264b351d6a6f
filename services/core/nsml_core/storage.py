"""Whether an owner may keep more in the store: the scheduler knows quotas, and what is kept."""

import logging

from nsml_core.clients import Clients, ask
from nsml_core.errors import Unavailable
from nsml_protos.scheduler_pb2 import KeepRequest
from nsml_protos.scheduler_pb2_grpc import SchedulerStub

_log = logging.getLogger("nsml.storage")


class Storage:
    """Asks before anything is kept; a scheduler that is away keeps nobody from working."""

    def __init__(self, clients: Clients) -> None:
        self._scheduler = SchedulerStub(clients.channel("scheduler"))

    async def refusal(self, owner: str, more: int) -> str:
        """Return why so many bytes more may not be kept; empty if they may."""
        if not more:
            return ""
        try:
            reply = await ask(self._scheduler.Keep(KeepRequest(owner=owner, bytes=more)))
        except Unavailable as error:
            _log.warning("%s keeps more without a look at its quota: %s", owner, error.sentence)
            return ""
        return str(reply.reason)
