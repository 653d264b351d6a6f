"""Every RPC as each kind of person: what is answered, denied, or not there, by the table."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from nsml_core.authority import rules
from nsml_core.caller import Caller
from nsml_protos.options_pb2 import Access
from scripts import authorisation
from tests.faults.asked import Example
from tests.services.acting import CREW, acting, found_crew
from tests.services.kinds import (
    ANSWERED,
    DENIED,
    EXAMPLES,
    HOMES,
    MISSING,
    SAYS_WHOSE,
    SERVICES,
    UNKNOWN,
    Try,
    access,
    runner_of,
    tries,
)
from tests.services.world import ANN, World


def test_every_service_is_among_them() -> None:
    assert {one.full_name for one in SERVICES} == {
        one.full_name for one in authorisation.services()
    }


def test_the_page_of_who_may_do_what_is_what_the_code_says() -> None:
    assert Path("docs/authorisation.md").read_text() == authorisation.page()


def test_every_rpc_has_an_example() -> None:
    assert set(EXAMPLES) == set(HOMES)


def test_the_table_knows_every_method() -> None:
    assert {path.removeprefix("/nsml.") for path in rules(SERVICES)} == set(HOMES)


@pytest.mark.parametrize("name", HOMES)
def test_every_method_says_whom_it_admits_and_what_it_needs_of_people(name: str) -> None:
    admitted, need = access(name)

    assert admitted
    assert admitted <= {Access.PUBLIC, Access.USER, Access.SERVICE, Access.RUNNER}
    assert bool(need) == (Access.USER in admitted)


class Team(World):
    """A world in which Ann acts for her team, and what she pushes is private."""

    def channel(self, service: str, caller: Caller | None) -> Any:
        channel = super().channel(service, caller)
        return acting(channel, CREW) if caller == ANN else channel

    async def push(self, name: str, tree: str, caller: Caller = ANN, **named: Any) -> Any:
        return await super().push(name, tree, caller, **{**named, "private": True})


@asynccontextmanager
async def opened_team(config: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Team]:
    """The services, and a team with members of each role."""
    monkeypatch.setenv("NSML_USER", "ann")
    world = Team(config)
    try:
        await world.start("identity", "dataset", "ledger", "scheduler", "session")
        await found_crew(world)
        yield world
    finally:
        await world.close()


@pytest.fixture
async def team(config: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Team]:
    async with opened_team(config, monkeypatch) as world:
        yield world


async def outcome(world: Team, name: str, asked: Any, one: Try) -> str:
    """Make a call as somebody, and say what came of it."""
    home, method = HOMES[name]
    channel: Any = World.channel(world, home, one.caller)
    if one.acts:
        channel = acting(channel, CREW)
    made = _method(channel, method)
    along = {"metadata": (("authorization", f"Bearer {one.token}"),)} if one.token else {}
    for pause in _PAUSES:
        answer = made(_given(asked, pause), timeout=20, **along)
        try:
            if not method.server_streaming:
                await answer
            else:
                async for _ in answer:
                    break
                answer.cancel()
        except grpc.aio.AioRpcError as error:
            if _LOST not in str(error.details()):
                said = f"failed: {error.code()} {error.details()}"
                return _OUTCOMES.get(error.code(), said)
        else:
            return ANSWERED
    return f"failed: {_LOST}"


_LOST = "Internal error from Core"
"""What grpcio says of a call that was refused while it still sent: then it is made again."""

_PAUSES = [0.05 * number for number in range(12)]


def _given(asked: Any, pause: float) -> Any:
    if not isinstance(asked, list):
        return asked

    async def words() -> AsyncIterator[Any]:
        await asyncio.sleep(pause)
        for word in asked:
            yield word

    return words()


def _method(channel: Any, method: MethodDescriptor) -> Callable[..., Any]:
    kinds = {True: "stream", False: "unary"}
    kind = f"{kinds[method.client_streaming]}_{kinds[method.server_streaming]}"
    made: Callable[..., Any] = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return made


_OUTCOMES = {
    grpc.StatusCode.NOT_FOUND: MISSING,
    grpc.StatusCode.PERMISSION_DENIED: DENIED,
    grpc.StatusCode.UNAUTHENTICATED: UNKNOWN,
    # What is asked cannot be done now: whoever is told that was let in.
    grpc.StatusCode.UNAVAILABLE: ANSWERED,
    grpc.StatusCode.FAILED_PRECONDITION: ANSWERED,
    grpc.StatusCode.ALREADY_EXISTS: ANSWERED,
    grpc.StatusCode.ABORTED: ANSWERED,
    grpc.StatusCode.DATA_LOSS: "failed: data loss",
}


def _of_the_team(asked: Any) -> Any:
    """What is asked of whoever asks is asked of the team."""
    fields = getattr(asked, "DESCRIPTOR", None) and asked.DESCRIPTOR.fields_by_name
    if not fields or "owner" not in fields:
        return asked
    theirs = type(asked)()
    theirs.CopyFrom(asked)
    theirs.owner = CREW
    return theirs


@pytest.mark.parametrize("service", [one.name for one in SERVICES])
async def test_each_kind_of_person_gets_what_the_table_says(team: Team, service: str) -> None:
    wrong: list[str] = []
    number = 0
    for name, example in EXAMPLES.items():
        if name.startswith(f"{service}/"):
            wrong += [line async for line in _wrong(team, example, number)]
        number += 100
    assert wrong == []


async def _wrong(world: Team, example: Example, number: int) -> Any:
    name = example.method
    prepare: Callable[[World, int], Awaitable[Any]] = example.prepare
    asked = await prepare(world, number)
    for one in list(tries(name, asked, world.secret)):
        if one.expected == ANSWERED and example.events:
            number += 1
            asked = await prepare(world, number)
        if one.who == "runner":
            one = replace(one, caller=runner_of(asked))  # noqa: PLW2901
        if name in SAYS_WHOSE:
            asked = _of_the_team(asked)
        got = await outcome(world, name, asked, one)
        if got != one.expected:
            yield f"{name} as {one.who}: {got}, not {one.expected}"
