"""Sessions that put a checkpoint to use: what they take over from the one that trained."""

from nsml_core.errors import Invalid, NotPermitted, Refused
from nsml_protos.board_pb2 import Board, EnterRequest, Origin
from nsml_protos.session_pb2 import (
    Checkpoint,
    JudgeRequest,
    Mount,
    Purpose,
    Resources,
    Session,
    Spec,
    SubmitRequest,
)
from nsml_session.environments import take_environment

BOARD_KINDS = (Purpose.SUBMIT, Purpose.REHEARSE)
_KINDS = (*BOARD_KINDS, Purpose.INFER)
_JUDGE_CPUS = 1
JUDGES = (Purpose.RESCORE, Purpose.TRY)


def is_hidden(spec: Spec) -> bool:
    """Tell whether nobody may see what a session's code does."""
    return spec.purpose.kind == Purpose.SUBMIT


def check_kind(request: SubmitRequest) -> None:
    """Refuse what is no way of using a checkpoint."""
    if request.kind not in _KINDS:
        raise Invalid("A checkpoint is submitted, rehearsed, or asked.")


def check_source(source: Session) -> None:
    """Refuse what has no code of its own that could predict."""
    if source.spec.HasField("job"):
        raise Refused(f"{source.name} is a job of shell commands: these are not submitted.")
    if source.spec.HasField("purpose"):
        trained = source.spec.purpose.source
        raise Refused(f"{source.name} did not train: name the session that did, {trained}.")


def check_trains(state: Session, verb: str) -> None:
    """Refuse to go on from a session that does not train."""
    if state.spec.HasField("purpose"):
        raise Refused(f"{state.name} does not train, and cannot be {verb}: start it once more.")


def check_may_look_in(state: Session) -> None:
    """Keep everybody out of a session that has the test data before it."""
    if is_hidden(state.spec):
        raise NotPermitted(
            f"{state.name} is being scored, and nobody looks in: `nsml submit -t` rehearses that "
            "in the open."
        )


def dataset_of(source: Session) -> str:
    """Return what a session trained on; empty for nothing."""
    return source.spec.datasets[0].dataset if source.spec.datasets else ""


def asked(
    request: SubmitRequest, source: Session, point: Checkpoint, owner: str, sequence: int
) -> EnterRequest:
    """Return what boards are asked about a submission."""
    data = source.spec.datasets[0] if source.spec.datasets else Mount()
    return EnterRequest(
        board=request.board,
        dataset=data.dataset,
        owner=owner,
        rehearsal=request.kind == Purpose.REHEARSE,
        origin=Origin(
            source=source.name,
            checkpoint=point.name,
            checkpoint_tree=point.tree,
            code_tree=source.spec.code_tree,
            data=f"{data.dataset}@{data.revision}" if data.dataset else "",
            data_tree=data.tree,
            sequence=sequence,
        ),
    )


def spec_of_use(
    source: Session, request: SubmitRequest, point: Checkpoint, board: Board | None
) -> Spec:
    """Return the source's spec as it is run to put a checkpoint to use."""
    spec = Spec()
    spec.CopyFrom(source.spec)
    for field in ("after", "priority", "preemptible", "restarts", "tags"):
        spec.ClearField(field)
    spec.resources.ClearField("priority_class")
    spec.resources.ClearField("nodes")  # whatever trained it, one node predicts
    take_environment(source, spec)
    if request.HasField("entry"):
        spec.entry = request.entry
    spec.purpose.CopyFrom(Purpose(kind=request.kind, source=source.name, checkpoint=point.name))
    if board is not None:
        _put_on(board, spec)
    return spec


def _put_on(board: Board, spec: Spec) -> None:
    terms = board.terms
    spec.purpose.board = board.name
    spec.resources.cpus = min(spec.resources.cpus or terms.cpus, terms.cpus)
    spec.resources.time_limit_seconds = terms.time_limit_seconds
    others = [mount for mount in spec.datasets if mount.dataset != terms.dataset]
    del spec.datasets[:]
    spec.datasets.append(mount_of(board))
    spec.datasets.extend(others)


def mount_of(board: Board) -> Mount:
    """Return the revision that a board is on; what is hidden of it only its runner learns."""
    revision = board.revision
    return Mount(
        dataset=board.terms.dataset,
        revision=revision.number,
        tree=revision.tree,
        bytes=revision.bytes,
    )


def spec_of_judge(request: JudgeRequest, board: Board) -> Spec:
    """Return the spec of a session that only judges: its code is the board's evaluation."""
    kind = Purpose.TRY if request.sample else Purpose.RESCORE
    return Spec(
        datasets=[mount_of(board)],
        code_tree=board.revision.splits.evaluation.tree,
        code_bytes=board.revision.splits.evaluation.bytes,
        entry="evaluation.py",
        resources=Resources(cpus=_JUDGE_CPUS),
        seed=1,
        purpose=Purpose(kind=kind, board=board.name, sample=request.sample),
    )
