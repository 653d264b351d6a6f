"""The board that a session is for, as its runner speaks to it."""

from typing import Any

from nsml_core import clients
from nsml_core.settings import Settings
from nsml_protos.board_pb2 import AssignRequest, Brief, ReportRequest
from nsml_protos.board_pb2_grpc import BoardsStub
from nsml_protos.session_pb2 import AttemptRef
from nsml_runner.attempts import patiently


class Boards:
    """A session that is for no board opens nothing."""

    def __init__(self, settings: Settings, token: str, ref: AttemptRef) -> None:
        self._settings = settings
        self._token = token
        self._ref = ref
        self._channel: Any = None

    @property
    def _stub(self) -> Any:
        if self._channel is None:
            address, tls = self._settings.addresses["dataset"], self._settings.tls
            self._channel = clients.connect(address, self._token, tls, service="dataset")
        return BoardsStub(self._channel)

    async def assign(self, board: str) -> Brief:
        """Return what is to be predicted and judged."""
        request = AssignRequest(ref=self._ref, board=board)
        brief: Brief = await patiently(lambda: self._stub.Assign(request))
        return brief

    async def report(self, request: ReportRequest) -> None:
        """Tell a score; returns once it is in the log."""
        request.ref.CopyFrom(self._ref)
        await patiently(lambda: self._stub.Report(request))

    async def close(self) -> None:
        """Hang up."""
        if self._channel is not None:
            await self._channel.close()
