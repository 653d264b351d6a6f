"""People of a team, and channels on which they act for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from nsml_core.caller import Caller
from nsml_core.gate import OWNER
from nsml_protos.identity_pb2 import MemberSet, Registered, Role, TeamFounded
from tests.services.world import ANN, ROOT, World

CREW = "crew"
MIA = Caller("user", "mia")
VIC = Caller("user", "vic")
SAM = Caller("user", "sam")


@dataclass(frozen=True)
class Acting:
    """A channel whose calls are made for a team."""

    channel: grpc.aio.Channel
    team: str
    more: tuple[tuple[str, str], ...] = ()

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        """Return what makes a kind of call, such as `unary_unary`."""

        def made(path: str, *of: Any, **named: Any) -> Callable[..., Any]:
            call = getattr(self.channel, kind)(path, *of, **named)
            along = ((OWNER, self.team), *self.more)
            return lambda *asked, **how: call(*asked, **how, metadata=along)

        return made


def acting(channel: Any, team: str, more: tuple[tuple[str, str], ...] = ()) -> Any:
    return Acting(channel, team, more)


async def register(world: World, *people: Caller) -> None:
    for who in people:
        await world.tell(who.name, Registered(name=who.name, admin=who.admin))


async def found_crew(world: World) -> None:
    """Ann's team of three, in which Sam is not."""
    await register(world, MIA, VIC, SAM, ROOT)
    roles = {ANN: Role.OWNER, MIA: Role.MEMBER, VIC: Role.VIEWER}
    members: Sequence[Message] = [MemberSet(name=who.name, role=of) for who, of in roles.items()]
    await world.tell(CREW, TeamFounded(name=CREW), *members)
