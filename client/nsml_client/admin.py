"""For those who look after the platform: its log, its views, its ledger."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from nsml_client.modes import M, Noun, operation, streaming
from nsml_core.errors import Invalid, Unavailable
from nsml_core.settings import SERVICES
from nsml_protos import care_pb2, ledger_pb2
from nsml_protos.care_pb2 import RebuildViewReply, TrailReply, TrailRequest, VerifyLogReply
from nsml_protos.ledger_pb2 import AuditReply


class Admin(Noun[M]):
    """`client.admin`; all of it raises `NotPermitted` for who is no admin."""

    @streaming
    async def verify_log(self, service: str) -> AsyncGenerator[VerifyLogReply, None]:
        """Hold each entry of a service's log against the one before and its archived copy.

        Yields how far it is, and what was found since the reply before.
        """
        method = f"Care@{_known(service)}/VerifyLog"
        request = care_pb2.VerifyLogRequest()
        async with aclosing(self._calls.stream(method, request, VerifyLogReply)) as replies:
            async for reply in replies:
                yield reply

    @operation
    async def rebuild_views(self, service: str, *, check: bool = False) -> RebuildViewReply:
        """Fold a service's views anew, compare them, and put them in their place unless `check`."""
        method = f"Care@{_known(service)}/RebuildView"
        request = care_pb2.RebuildViewRequest(check=check)
        # It may take long, and only streams may.
        async with aclosing(self._calls.stream(method, request, RebuildViewReply)) as replies:
            async for reply in replies:
                return reply
        raise Unavailable(f"The {service} service ended the call without a reply: try again.")

    @streaming
    async def audit(self) -> AsyncGenerator[AuditReply, None]:
        """Recompute every book and every charge from the log; what differs comes with the replies.

        The last reply has seen all.
        """
        request = ledger_pb2.AuditRequest()
        async with aclosing(self._calls.stream("Ledger/Audit", request, AuditReply)) as replies:
            async for reply in replies:
                yield reply

    @streaming
    async def trail(self, service: str, request: TrailRequest) -> AsyncGenerator[TrailReply, None]:
        """Yield who did what in a service, newest first."""
        method = f"Care@{_known(service)}/Trail"
        async with aclosing(self._calls.stream(method, request, TrailReply)) as replies:
            async for reply in replies:
                yield reply


def _known(service: str) -> str:
    if service not in SERVICES:
        raise Invalid(f"There is no service {service!r}: there are {', '.join(SERVICES)}.")
    return service
