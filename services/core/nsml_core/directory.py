"""Who is there, by identity's own log: people, their teams and roles, and tokens that are void.

Each service follows it for itself, in memory: a call asks nobody else who its caller is, and who
leaves a team is out as soon as the entry is here.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import assert_never, cast

from nsml_core.authority import ADMIN
from nsml_core.caller import Caller
from nsml_core.entry import Recorded
from nsml_core.errors import Unauthenticated, Unavailable
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log
from nsml_protos import identity_pb2 as pb

SUBJECT = "nsml.identity.>"

Event = (
    pb.Registered
    | pb.AdminSet
    | pb.Disabled
    | pb.Enabled
    | pb.Erased
    | pb.TeamFounded
    | pb.MemberSet
    | pb.MemberLeft
    | pb.TokenIssued
    | pb.TokenRevoked
)

_POSITION_TIMEOUT = 10.0
_FORGET_FROM = 10_000


@dataclass
class Known:
    """What is known of a name."""

    team: bool = False
    admin: bool = False
    away: bool = False
    """Disabled or erased: nobody speaks as them."""

    roles: dict[str, int] = field(default_factory=dict)
    """Of a person: their teams, and their role in each."""


class Directory:
    """People and teams as they are now."""

    def __init__(self) -> None:
        self.position = 0
        self.changes = 0
        """Counted up whenever somebody may do other things than before."""

        self._known: defaultdict[str, Known] = defaultdict(Known)
        self._void: dict[str, float] = {}
        self._moved = asyncio.Condition()

    def is_known(self, name: str) -> bool:
        return name in self._known

    def is_team(self, name: str) -> bool:
        return name in self._known and self._known[name].team

    def is_person(self, name: str) -> bool:
        return name in self._known and not self._known[name].team and not self._known[name].away

    def speaker(self, name: str) -> Caller:
        """Return the caller as whom a person, or a team, looks for things to read."""
        return self._placed(Caller("user", name))

    def checked(self, caller: Caller) -> Caller:
        """Return a caller as whom a token names them, with what they are today."""
        if caller.kind != "user":
            return caller
        if caller.token in self._void:
            raise Unauthenticated("This token was revoked: log in again.")
        known = self._known.get(caller.name)
        if known is not None and (known.away or known.team):
            raise Unauthenticated(f"Nobody may speak as {caller.name} any more: ask an admin.")
        is_admin = caller.admin and (known is None or known.admin)
        narrowed = bool(caller.scopes) and ADMIN not in caller.scopes
        return self._placed(replace(caller, admin=is_admin and not narrowed))

    def _placed(self, caller: Caller) -> Caller:
        known = self._known.get(caller.name)
        return replace(caller, roles=frozenset(known.roles.items())) if known else caller

    def take(self, entries: list[Recorded]) -> None:
        """Apply entries of identity."""
        for entry in entries:
            name = entry.subject.rpartition(".")[2]
            for event in entry.events:
                self._apply(name, cast("Event", event))
            self.position = entry.sequence
            self.changes += 1

    def _apply(self, name: str, event: Event) -> None:
        known = self._known[name]
        match event:
            case pb.Registered() | pb.AdminSet():
                known.admin = event.admin
            case pb.TeamFounded():
                known.team = True
            case pb.Disabled() | pb.Erased():
                known.away = True
            case pb.Enabled():
                known.away = False
            case pb.MemberSet():
                self._known[event.name].roles[name] = event.role
            case pb.MemberLeft():
                self._known[event.name].roles.pop(name, None)
            case pb.TokenRevoked():
                self._avoid(event)
            case pb.TokenIssued():
                pass  # it says itself whose it is
            case _:
                assert_never(event)

    def _avoid(self, event: pb.TokenRevoked) -> None:
        self._void[event.id] = event.expires.seconds or float("inf")
        if len(self._void) > _FORGET_FROM:  # what has expired is refused by its own date
            now = time.time()
            self._void = {token: end for token, end in self._void.items() if end > now}

    async def wait_for(self, sequence: int) -> None:
        """Return once every entry of identity up to this one is known."""
        if self.position >= sequence:
            return
        try:
            async with asyncio.timeout(_POSITION_TIMEOUT), self._moved:
                await self._moved.wait_for(lambda: self.position >= sequence)
        except TimeoutError:
            raise Unavailable("Who is who is not known yet; try again shortly.") from None

    async def follow(self, log: Log) -> None:
        """Follow the log for ever."""
        follower = Follower(log.client, STREAM, [SUBJECT], rare=True)
        async with contextlib.aclosing(follower.batches(self.position)) as batches:
            async for batch in batches:
                self.take([record.decode() for record in batch])
                async with self._moved:
                    self._moved.notify_all()


async def known_now(log: Log) -> Directory:
    """Return the directory as it is now; it is to be followed from here on."""
    directory = Directory()
    newest = await log.newest([SUBJECT])
    follower = Follower(log.client, STREAM, [SUBJECT], rare=True)
    async with contextlib.aclosing(follower.batches(0)) as batches:
        while directory.position < newest:
            directory.take([record.decode() for record in await anext(batches)])
    return directory
