"""Which of a session's checkpoints is meant."""

from nsml_core.errors import NotFound
from nsml_protos.session_pb2 import Checkpoint, Session


def find_before(state: Session, name: str) -> Checkpoint:
    """Return the latest checkpoint that was saved before the one of this name, and is another."""
    later = find(state, name)
    earlier = [
        saved
        for saved in state.checkpoints
        if saved.saved.ToNanoseconds() < later.saved.ToNanoseconds() and saved.tree != later.tree
    ]
    if not earlier:
        raise NotFound(f"{state.name} saved no checkpoint before {name}.")
    return max(earlier, key=lambda saved: saved.saved.ToNanoseconds())


def find(state: Session, name: str) -> Checkpoint:
    """Return the checkpoint of this name; without one, the latest by wall time."""
    if not name and state.checkpoints:
        return max(state.checkpoints, key=lambda saved: saved.saved.ToNanoseconds())
    for checkpoint in state.checkpoints:
        if checkpoint.name == name:
            return checkpoint
    if state.HasField("start") and name in {"", state.start.name}:
        return state.start
    if name:
        raise NotFound(
            f"{state.name} has no checkpoint {name}: `nsml model ls {state.name}` shows those that "
            "it has."
        )
    raise NotFound(
        f"{state.name} has no checkpoint yet: `nsml model ls {state.name}` shows those that it has."
    )
