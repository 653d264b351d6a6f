"""Every method says whom it admits, and the gate refuses everybody else."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from nsml_core.auth import access_table
from nsml_core.caller import Caller
from nsml_protos import (
    blobs_pb2,
    dataset_pb2,
    identity_pb2,
    ledger_pb2,
    options_pb2,
    scheduler_pb2,
    session_pb2,
)
from nsml_protos.options_pb2 import Access
from tests.services.world import World

FILES = {
    "identity": identity_pb2,
    "dataset": dataset_pb2,
    "ledger": ledger_pb2,
    "session": session_pb2,
    "scheduler": scheduler_pb2,
}
CALLERS = {
    Access.USER: Caller("user", "ann"),
    Access.SERVICE: Caller("service", "scheduler"),
    Access.RUNNER: Caller("runner", "ann/None/1", 1),
    Access.PUBLIC: None,
}


def methods() -> Iterator[tuple[str, MethodDescriptor]]:
    for service, file in [*FILES.items(), ("dataset", blobs_pb2)]:
        for descriptor in file.DESCRIPTOR.services_by_name.values():
            for method in descriptor.methods:
                yield service, method


def admitted(method: MethodDescriptor) -> set[int]:
    return set(method.GetOptions().Extensions[options_pb2.access])


METHODS = {method.full_name: (service, method) for service, method in methods()}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_whom_it_admits(name: str) -> None:
    kinds = admitted(METHODS[name][1])

    assert kinds
    assert kinds <= {Access.PUBLIC, Access.USER, Access.SERVICE, Access.RUNNER}


def test_the_table_knows_every_method() -> None:
    descriptors = {method.containing_service for _, method in METHODS.values()}

    table = access_table(descriptors)

    assert {f"nsml.{path.removeprefix('/nsml.').replace('/', '.')}" for path in table} == set(
        METHODS
    )


async def outcome(
    world: World, service: str, method: MethodDescriptor, who: Access.ValueType
) -> str:
    """Call a method with an empty request; return the code and sentence of the refusal, if any."""
    channel = world.channel(service, CALLERS[who])
    asked, answered = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    kind = f"{shape(method.client_streaming)}_{shape(method.server_streaming)}"
    call = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=asked.SerializeToString,
        response_deserializer=answered.FromString,
    )
    given: Any = iter([asked()]) if method.client_streaming else asked()
    try:
        answer = call(given, timeout=20)
        if method.server_streaming:
            async for _ in answer:
                pass
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {error.details()}"
    return ""


def shape(streams: bool) -> str:
    return "stream" if streams else "unary"


async def test_the_gate_admits_whom_a_method_names_and_nobody_else(world: World) -> None:
    wrong: list[str] = []
    for name, (service, method) in METHODS.items():
        for who in CALLERS:
            said = await outcome(world, service, method, who)
            if said.startswith(("INTERNAL", "UNKNOWN", "UNIMPLEMENTED")):
                wrong.append(f"{name} fails for {Access.Name(who)}: {said}")
            is_refused = said.startswith("UNAUTHENTICATED") or "may not call" in said
            if is_refused == bool({who, Access.PUBLIC} & admitted(method)):
                wrong.append(f"{name} for {Access.Name(who)}: {said or 'was answered'}")

    assert wrong == []


@pytest.mark.parametrize(
    "token",
    ["nonsense", "e30.e30.e30", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJraW5kIjoidXNlciJ9."],
)
async def test_a_token_that_we_did_not_sign_is_nobodys(world: World, token: str) -> None:
    who = identity_pb2.WhoAmIRequest()
    stub: Any = world.channel("identity", None).unary_unary(
        "/nsml.Identity/WhoAmI", request_serializer=identity_pb2.WhoAmIRequest.SerializeToString
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(who, metadata=(("authorization", f"Bearer {token}"),))

    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
