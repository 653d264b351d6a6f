"""What a competition still lacks, said before anybody competes: pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nsml_protos.board_pb2 import Terms
from nsml_protos.dataset_pb2 import Revision, SplitPart, Splits

EVALUATION = "evaluation.py"
LOADER = "data_loader.py"


@dataclass
class Findings:
    """Sentences, each of which says what to do."""

    missing: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def look(terms: Terms, revision: Revision, files: Mapping[str, set[str]]) -> Findings:
    """Look at what a dataset brings, by the paths in each of its parts."""
    found = Findings()
    again = f"`nsml dataset push {terms.dataset} PATH -l -e {EVALUATION}` again"
    if not revision.HasField("splits"):
        found.missing.append(
            f"{terms.dataset}@{revision.number} was pushed without -l, so that everybody who reads "
            f"it has its test split: put a fresh one into PATH, and {again}."
        )
        return found
    _look_at_code(found, files, again)
    _look_at_data(found, terms, files, again)
    if not terms.HasField("end"):
        found.advice.append("It has no end: `end: 2026-12-31T18:00:00Z` in board.yml sets one.")
    if not terms.public_share and not terms.private_labels:
        found.advice.append(
            "It has no private score, so that whoever submits often fits the test split: "
            "`public_share: 0.3` keeps seven tenths of it apart."
        )
    return found


def _look_at_code(found: Findings, files: Mapping[str, set[str]], again: str) -> None:
    if EVALUATION not in files["evaluation"]:
        found.missing.append(f"There is no {EVALUATION}: name it, {again}.")
    if LOADER not in files["loader"]:
        found.missing.append(
            f"There is no {LOADER} in PATH, which feeds the test data to a model: add it, {again}."
        )


def _look_at_data(found: Findings, terms: Terms, files: Mapping[str, set[str]], again: str) -> None:
    if not files["test"]:
        found.missing.append(f"There is nothing to predict in PATH/test: add it, {again}.")
    for name in filter(None, (terms.labels, terms.private_labels)):
        if not _holds(files["labels"], name):
            found.missing.append(f"There is no PATH/test/{name}: add it, {again}.")
        if _holds(files["test"], name):
            found.missing.append(
                f"PATH/test/{name} would be seen by whoever predicts: push with --labels so that "
                f"it counts as labels, {again}."
            )
    if not files["rehearsal"]:
        found.advice.append(
            "There is no PATH/test_submit, a small split for `nsml submit -t`, which is refused "
            "without."
        )
    elif not _holds(files["rehearsal_labels"], terms.labels):
        found.advice.append(
            f"There is no PATH/test_submit/{terms.labels}: a rehearsal predicts, and is not judged."
        )


def _holds(paths: Iterable[str], name: str) -> bool:
    return any(path == name or path.startswith(f"{name}/") for path in paths)


def parts(splits: Splits) -> dict[str, SplitPart]:
    """Return the parts of a competition's data, by name."""
    return {
        "loader": splits.loader,
        "test": splits.test,
        "labels": splits.labels,
        "rehearsal": splits.rehearsal,
        "rehearsal_labels": splits.rehearsal_labels,
        "evaluation": splits.evaluation,
    }
