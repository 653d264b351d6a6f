"""What people are shown of datasets and boards: nothing by which hidden content could be read."""

from nsml_dataset import checks
from nsml_dataset.ranking import commitment
from nsml_protos.board_pb2 import Board, Submission
from nsml_protos.dataset_pb2 import Dataset, Revision


def dataset(state: Dataset) -> Dataset:
    """Return a dataset without the ids of what its competition keeps apart."""
    if not any(revision.HasField("splits") for revision in state.revisions):
        return state
    shown = Dataset()
    shown.CopyFrom(state)
    for each in shown.revisions:
        _hide(each)
    return shown


def revision(known: Revision) -> Revision:
    """Return a revision without them."""
    shown = Revision()
    shown.CopyFrom(known)
    _hide(shown)
    return shown


def _hide(known: Revision) -> None:
    if known.HasField("splits"):
        for part in checks.parts(known.splits).values():
            part.ClearField("tree")


def board(state: Board) -> Board:
    """Return a board without the ids of what is predicted, and of what judges."""
    shown = Board()
    shown.CopyFrom(state)
    _hide(shown.revision)
    shown.ClearField("key")
    return shown


def submission(known: Submission, *, own: bool, private: bool) -> Submission:
    """Return a submission as its owner or the board's sees it; the prediction is nobody's."""
    shown = Submission()
    shown.CopyFrom(known)
    shown.ClearField("prediction")
    for score in shown.scores:
        score.evaluation = commitment(score.evaluation)
        score.labels = commitment(score.labels)
        if not private:
            score.ClearField("private")
    origin = shown.origin
    if not own:
        for field in ("checkpoint_tree", "code_tree", "data_tree"):
            setattr(origin, field, commitment(getattr(origin, field)))
    return shown
