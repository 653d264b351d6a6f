"""What an admin may ask of any service about its part of the log and its view."""

from collections.abc import AsyncIterator
from typing import Any

from nsml_core.errors import Refused
from nsml_core.rebuild import rebuild
from nsml_core.trail import trail
from nsml_core.verify import Verification
from nsml_core.views import View
from nsml_protos.care_pb2 import (
    RebuildViewReply,
    RebuildViewRequest,
    TrailReply,
    TrailRequest,
    VerifyLogReply,
    VerifyLogRequest,
)
from nsml_protos.care_pb2_grpc import CareServicer


class Care(CareServicer):
    """Looks after one service's view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rebuilding = False

    async def VerifyLog(
        self, request: VerifyLogRequest, context: Any
    ) -> AsyncIterator[VerifyLogReply]:
        view = self._view
        walk = Verification(view.log, view.pool, view.schema.service, view.position)
        async for reply in walk.walk():
            yield reply

    async def RebuildView(self, request: RebuildViewRequest, context: Any) -> RebuildViewReply:
        if self._rebuilding:
            raise Refused(f"The view of {self._view.schema.service} is being rebuilt already.")
        self._rebuilding = True
        try:
            return await rebuild(self._view, check=request.check)
        finally:
            self._rebuilding = False

    async def Trail(self, request: TrailRequest, context: Any) -> AsyncIterator[TrailReply]:
        async for reply in trail(self._view, request):
            yield reply
