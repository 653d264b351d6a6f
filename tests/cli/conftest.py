"""A peer for the command line: a gRPC server with the real protos and prepared answers.

What the services really answer is tested by the journeys; here it is what the command line makes of
an answer that counts, of the hostile and the broken ones above all.
"""

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import jwt
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from nsml_cli import __main__ as cli
from nsml_core.errors import Error
from nsml_core.status import to_grpc
from tests.blobs.service import Service

PROCESSES = {
    "session": ["Sessions"],
    "dataset": ["Datasets", "Blobs", "Boards"],
    "ledger": ["Ledger"],
    "identity": ["Identity"],
    "scheduler": ["Scheduler"],
}
Answer = Message | Error | list[Message] | Callable[[Any], Any]


class Asked(NamedTuple):
    """A call that came in."""

    method: str
    request: Any
    metadata: dict[str, str]


@dataclass
class Peer(grpc.GenericRpcHandler):
    """Answers what it was told to answer, and remembers what it was asked."""

    home: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    position: str = ""

    def answer(self, method: str, answer: Answer) -> None:
        """Prepare the answer to a method, such as `Sessions/List`."""
        self.answers[method] = answer

    def requests(self, method: str) -> list[Any]:
        return [asked.request for asked in self.asked if asked.method == method]

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        name = details.method.removeprefix("/nsml.")
        metadata = {key: str(value) for key, value in details.invocation_metadata}
        described = describe(name)
        make = (
            grpc.unary_stream_rpc_method_handler
            if described.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )

        def one(request: Message, context: grpc.ServicerContext) -> Any:
            self.asked.append(Asked(name, request, metadata))
            return self._reply(name, request, context)

        def many(request: Message, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from one(request, context)
            except Error as error:
                context.abort(to_grpc(error), error.sentence)

        return make(
            many if described.server_streaming else one,
            request_deserializer=GetMessageClass(described.input_type).FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )

    def _reply(self, name: str, request: Message, context: grpc.ServicerContext) -> Any:
        answer = self.answers.get(name)
        if answer is None:
            context.abort(grpc.StatusCode.INTERNAL, f"no answer to {name} was prepared")
        if isinstance(answer, Error):
            context.abort(to_grpc(answer), answer.sentence)
        if self.position:
            context.set_trailing_metadata((("x-nsml-position", self.position),))
        try:
            return answer(request) if callable(answer) else answer
        except Error as error:
            context.abort(to_grpc(error), error.sentence)


def describe(method: str) -> Any:
    """Return the descriptor of a method, such as `Sessions/List`."""
    service, _, name = method.partition("/")
    process = next(process for process, faces in PROCESSES.items() if service in faces)
    file = {"Blobs": "blobs", "Boards": "board"}.get(service, process)
    module = importlib.import_module(f"nsml_protos.{file}_pb2")
    return module.DESCRIPTOR.services_by_name[service].methods_by_name[name]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home in which nothing runs."""
    folder = tmp_path / "home"
    for name in ("NSML_TOKEN", "TRACEPARENT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NSML_HOME", str(folder))
    for process in PROCESSES:
        monkeypatch.delenv(f"NSML_{process.upper()}_ADDRESS", raising=False)
    return folder


@pytest.fixture
def peer(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Peer]:
    """A platform that answers as it is told; `ann` is logged in."""
    home.mkdir(mode=0o700)
    token = jwt.encode({"sub": "ann", "kind": "user"}, b"k" * 32, algorithm="HS256")
    (home / "token").write_text(token)
    (home / "run").mkdir()
    socket = f"unix:{tmp_path}/p.sock"
    for process in PROCESSES:
        monkeypatch.setenv(f"NSML_{process.upper()}_ADDRESS", socket)
    server = grpc.server(ThreadPoolExecutor(4))
    prepared = Peer(home)
    server.add_generic_rpc_handlers((prepared,))
    server.add_insecure_port(socket)
    server.start()
    yield prepared
    server.stop(None).wait()


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def nsml(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process."""

    def run(*arguments: str) -> Result:
        code = cli.run(list(arguments))
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return run


@pytest.fixture
def store(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real store of blobs for the code that is sent."""
    service = Service(peer.home)
    (peer.home / "token").write_text(service.token)
    monkeypatch.setenv("NSML_DATASET_ADDRESS", service.address)
    service.start()
    yield
    service.stop()
