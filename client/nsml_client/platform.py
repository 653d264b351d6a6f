"""The platform as its clients see it: who asks, its nodes, and its nouns."""

from functools import cached_property
from typing import TYPE_CHECKING

from nsml_client.modes import M, Noun, operation

if TYPE_CHECKING:  # a noun is imported when it is first used: that keeps the start short
    from nsml_client.admin import Admin
    from nsml_client.boards import Boards
    from nsml_client.credit import Credit
    from nsml_client.datasets import Datasets
    from nsml_client.nodes import Nodes
    from nsml_client.people import Logins, Teams, Tokens, Users
    from nsml_client.policy import Rules
    from nsml_client.sessions import Sessions
    from nsml_client.trees import Trees
    from nsml_protos.identity_pb2 import User
    from nsml_protos.scheduler_pb2 import ClusterReply, QueueLine


class Platform(Noun[M]):
    """What both clients have."""

    @cached_property
    def datasets(self) -> "Datasets[M]":
        """The data that sessions read."""
        from nsml_client.datasets import Datasets

        return Datasets(self._calls)

    @cached_property
    def sessions(self) -> "Sessions[M]":
        """Runs of code on data."""
        from nsml_client.sessions import Sessions

        return Sessions(self._calls)

    @cached_property
    def boards(self) -> "Boards[M]":
        """Competitions on datasets."""
        from nsml_client.boards import Boards

        return Boards(self._calls)

    @cached_property
    def credit(self) -> "Credit[M]":
        """What is left, and what became of the rest."""
        from nsml_client.credit import Credit

        return Credit(self._calls)

    @cached_property
    def trees(self) -> "Trees[M]":
        """Folders in the store, by the id of their content."""
        from nsml_client.trees import Trees

        return Trees(self._calls)

    @cached_property
    def nodes(self) -> "Nodes[M]":
        """Where sessions run."""
        from nsml_client.nodes import Nodes

        return Nodes(self._calls)

    @cached_property
    def policy(self) -> "Rules[M]":
        """How the queue is ordered, and what each owner may hold at once."""
        from nsml_client.policy import Rules

        return Rules(self._calls)

    @cached_property
    def admin(self) -> "Admin[M]":
        """For those who look after the platform."""
        from nsml_client.admin import Admin

        return Admin(self._calls)

    @cached_property
    def teams(self) -> "Teams[M]":
        """Those who share what they make."""
        from nsml_client.people import Teams

        return Teams(self._calls)

    @cached_property
    def users(self) -> "Users[M]":
        """Everybody who is known here."""
        from nsml_client.people import Users

        return Users(self._calls)

    @cached_property
    def tokens(self) -> "Tokens[M]":
        """What you come in with."""
        from nsml_client.people import Tokens

        return Tokens(self._calls)

    @cached_property
    def logins(self) -> "Logins[M]":
        """How to come in."""
        from nsml_client.people import Logins

        return Logins(self._calls)

    @operation
    async def whoami(self) -> "User":
        """Return who you are here.

        Raises:
            Unauthenticated: The platform does not know the token.
        """
        from nsml_protos import identity_pb2

        request = identity_pb2.WhoAmIRequest()
        return await self._calls.call("Identity/WhoAmI", request, identity_pb2.User)

    @operation
    async def cluster(self) -> "ClusterReply":
        """Return the nodes, what runs on them, and the queue."""
        from nsml_client import why

        return await why.cluster(self._calls)

    @operation
    async def queue(self) -> "list[QueueLine]":
        """Return who waits, in the order in which they are looked at, why, and until when."""
        from nsml_protos import scheduler_pb2

        request = scheduler_pb2.QueueRequest()
        reply = await self._calls.call("Scheduler/Queue", request, scheduler_pb2.QueueReply)
        return list(reply.lines)
