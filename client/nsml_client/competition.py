"""The parts of a competition's data that are kept apart from what sessions read."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_client import trees
from nsml_client.modes import Calls
from nsml_core.errors import Invalid, NotFound
from nsml_protos.dataset_pb2 import SplitPart, Splits

if TYPE_CHECKING:  # it comes with grpcio, and is needed only once content is sent
    from nsml_core.blobs.scan import Ignore

EVALUATION = "evaluation.py"
LOADER = "data_loader.py"
TEST, REHEARSAL = "test", "test_submit"
LABELS = ("test_label*",)


@dataclass(frozen=True)
class Competition:
    """What of a folder is a competition's: the evaluation, and which files of `test` are labels."""

    evaluation: Path | None = None
    """evaluation.py, or a folder that holds it; by default the one in the folder."""

    labels: Sequence[str] = LABELS

    def is_kept(self, folder: Path, path: str) -> bool:
        """Tell whether a path of the folder is no part of what sessions read."""
        top = path.partition("/")[0]
        if top in {TEST, REHEARSAL}:
            return True
        evaluation = self.found(folder)
        return (folder / path).resolve() == evaluation.resolve()

    def found(self, folder: Path) -> Path:
        """Return the evaluation."""
        return self.evaluation or folder / EVALUATION

    def is_label(self, path: str) -> bool:
        """Tell whether a path of the test split is a label."""
        top = path.partition("/")[0]
        return any(fnmatchcase(top, pattern) for pattern in self.labels)


def check(folder: Path, competition: Competition) -> None:
    """Refuse what lacks something, before anything is sent."""
    missing = [
        name
        for name, is_there in (
            (f"{TEST}/", (folder / TEST).is_dir()),
            (LOADER, (folder / LOADER).is_file()),
        )
        if not is_there
    ]
    if missing:
        raise Invalid(
            f"A competition needs {' and '.join(missing)} in {folder}: see docs/competitions.md."
        )
    evaluation = competition.found(folder)
    file = evaluation / EVALUATION if evaluation.is_dir() else evaluation
    if not file.is_file():
        raise NotFound(f"There is no {file}: name the evaluation with -e.")
    if not any(map(competition.is_label, _names(folder / TEST))):
        patterns = ", ".join(competition.labels)
        raise Invalid(f"There are no labels in {folder / TEST}: none is called {patterns}.")


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def push(
    calls: Calls, folder: Path, competition: Competition, progress: trees.Progress | None
) -> Splits:
    """Store each part, and return what they are."""
    splits = Splits()
    is_label = competition.is_label

    async def store(root: Path, ignore: "Ignore") -> SplitPart:
        if not await calls.aside(partial(_has_any, root, ignore)):
            return SplitPart()
        tree = await trees.push(calls, root, ignore, None, progress)
        return SplitPart(tree=tree.id, files=tree.files, bytes=tree.bytes)

    splits.loader.CopyFrom(await store(folder, lambda path, _: path != LOADER))
    for name, data, labels in (
        (TEST, splits.test, splits.labels),
        (REHEARSAL, splits.rehearsal, splits.rehearsal_labels),
    ):
        if (folder / name).is_dir():
            data.CopyFrom(await store(folder / name, lambda path, _: is_label(path)))
            labels.CopyFrom(await store(folder / name, lambda path, _: not is_label(path)))
    with tempfile.TemporaryDirectory(prefix="nsml-") as made:
        evaluation = await calls.aside(
            partial(_evaluation, competition.found(folder), Path(made) / "evaluation")
        )
        splits.evaluation.CopyFrom(await store(evaluation, lambda _path, _is_folder: False))
    return splits


def _has_any(root: Path, ignore: "Ignore") -> bool:
    return any(not ignore(each.name, each.is_dir()) for each in root.iterdir())


def _evaluation(found: Path, made: Path) -> Path:
    """Return a folder with evaluation.py, whatever the file is called."""
    if found.is_dir():
        return found
    made.mkdir()
    shutil.copyfile(found, made / EVALUATION)
    return made
