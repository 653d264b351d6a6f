"""A session in each of its states, and what may be asked of it."""

from google.protobuf.message import Message

from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointSaved,
    Completed,
    Failed,
    GangMember,
    Lost,
    Outcome,
    Placed,
    Requested,
    Resumed,
    Session,
    Spec,
    Started,
    Stopped,
    StopRequested,
    Waiting,
)
from nsml_session import decide, loss
from nsml_session.state import SESSION
from tests.deciders.given import Decision, Given, given

NAME = "ann/mnist/1"
SPEC = Spec(code_tree="c" * 64, entry="main.py")
REQUESTED = Requested(name=NAME, owner="ann", spec=SPEC, memo="first", request_key="k")
PLACED = Placed(attempt=1, node="here", devices=["0"])
STARTED = Started(attempt=1, environment="e")
WELL = Outcome(exit_code=0)
BADLY = Outcome(exit_code=1, message="It ended with exit code 1.")
STOP = StopRequested(reason="enough", actor="user:ann")
ENDINGS = [
    Completed(attempt=1, outcome=WELL),
    Failed(attempt=1, outcome=BADLY),
    Stopped(attempt=1, reason="enough"),
    Lost(attempt=1, reason="gone"),
]


def queued(*events: Message) -> Given[Session]:
    return given(SESSION, REQUESTED, *events)


def allocated(*events: Message) -> Given[Session]:
    return queued(PLACED, *events)


def running(*events: Message) -> Given[Session]:
    return allocated(STARTED, *events)


def request(spec: Spec = SPEC, memo: str = "first", key: str = "k") -> Decision[Session]:
    asked = Requested(name=NAME, owner="ann", spec=spec, memo=memo, request_key=key)
    return lambda state: decide.request(state, asked)


def resume(checkpoint: str = "", *, from_start: bool = False, key: str = "") -> Decision[Session]:
    return lambda state: decide.resume(state, checkpoint=checkpoint, from_start=from_start, key=key)


def resumed(name: str = "", key: str = "") -> Resumed:
    start = Checkpoint(name=name, tree="t", step=10, attempt=1)
    return Resumed(
        name=NAME,
        owner="ann",
        resources=pb.Resources(),
        attempt=1,
        start=start if name else None,
        request_key=key,
    )


def wait(reason: str) -> Decision[Session]:
    return lambda state: decide.wait(state, Waiting(reason=reason))


ROOM = (GangMember(node="here", devices=["0"]),)


def place(attempt: int = 1) -> Decision[Session]:
    return lambda state: decide.place(state, attempt=attempt, room=ROOM)


def start(attempt: int = 1) -> Decision[Session]:
    return lambda state: decide.start(state, attempt=attempt, environment="e")


def save(name: str = "10", attempt: int = 1, tree: str = "t", number: int = 0) -> Decision[Session]:
    return lambda state: decide.save_checkpoint(
        state, attempt=attempt, checkpoint=Checkpoint(name=name, tree=tree, step=10, number=number)
    )


def end(outcome: Outcome = WELL, attempt: int = 1, *, stopped: bool = False) -> Decision[Session]:
    return lambda state: decide.end(state, attempt=attempt, outcome=outcome, stopped=stopped)


def saved(name: str = "10", tree: str = "t", number: int = 0) -> CheckpointSaved:
    return CheckpointSaved(
        checkpoint=Checkpoint(name=name, tree=tree, step=10, attempt=1, number=number)
    )


def lose(attempt: int = 1) -> Decision[Session]:
    return lambda state: loss.lose(state, attempt=attempt, reason="gone")


def stop(state: Session) -> list[Message]:
    return decide.stop(state, reason="enough", actor="user:ann")


def forget(name: str) -> Decision[Session]:
    return lambda state: decide.remove_checkpoint(state, name)
