"""The gRPC face of identity."""

from typing import Any

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.errors import NotFound
from nsml_core.store import Store
from nsml_core.views import View
from nsml_identity.views import list_users
from nsml_protos.identity_pb2 import (
    IssueRunnerTokenRequest,
    ListUsersReply,
    ListUsersRequest,
    TokenReply,
    User,
    WhoAmIRequest,
)
from nsml_protos.identity_pb2_grpc import IdentityServicer


class Identity(IdentityServicer):
    """Knows people, and vouches for runners."""

    def __init__(self, people: Store[User], view: View, secret: bytes) -> None:
        self._people = people
        self._view = view
        self._secret = secret

    async def WhoAmI(self, request: WhoAmIRequest, context: Any) -> User:
        name = current().caller.name
        user = await self._people.get(name)
        if not user.name:
            raise NotFound(f"There is no user {name} here: log in again.")
        return user

    async def ListUsers(self, request: ListUsersRequest, context: Any) -> ListUsersReply:
        return ListUsersReply(users=await list_users(self._view))

    async def IssueRunnerToken(self, request: IssueRunnerTokenRequest, context: Any) -> TokenReply:
        runner = Caller("runner", request.session, request.attempt)
        return TokenReply(token=auth.issue(self._secret, runner))
