"""The public and the private part of a test split: labels, and lines of a prediction."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Invalid
from nsml_protos.board_pb2 import Board

LINES_BYTES_MAX = 1 << 30


@dataclass(frozen=True, slots=True)
class Part:
    """What one run of the evaluation judges."""

    labels: Path
    prediction: Path


def parts(board: Board, labels: Path, prediction: Path, scratch: Path) -> list[Part]:
    """Return the public part, and the private one if the board has any."""
    terms = board.terms
    whole = Part(_present(labels / terms.labels), prediction)
    if terms.private_labels:
        return [whole, Part(_present(labels / terms.private_labels), prediction)]
    if terms.public_share:
        return _by_lines(board, whole, scratch)
    return [whole]


def _present(path: Path) -> Path:
    if not path.exists():
        raise Invalid(f"The board's labels have no {path.name}: its owner has to push them.")
    return path


def _by_lines(board: Board, whole: Part, scratch: Path) -> list[Part]:
    labels, prediction = _lines(whole.labels), _lines(whole.prediction)
    if len(labels) != len(prediction):
        raise Invalid(
            f"The prediction has {len(prediction):,} lines, "
            f"and there are {len(labels):,} to predict."
        )
    chosen = public_lines(board.name, len(labels), board.terms.public_share)
    found = []
    for name, is_public in (("public", True), ("private", False)):
        folder = scratch / name
        folder.mkdir()
        for file, lines in ((whole.labels, labels), (whole.prediction, prediction)):
            kept = (line for at, line in enumerate(lines) if (at in chosen) is is_public)
            (folder / file.name).write_bytes(b"".join(kept))
        found.append(Part(folder / whole.labels.name, folder / whole.prediction.name))
    return found


def public_lines(board: str, count: int, share: float) -> set[int]:
    """Return which lines the public score counts: the same for everybody, and nobody's choice."""
    drawn = sorted(range(count), key=lambda at: hashlib.sha256(f"{board} {at}".encode()).digest())
    return set(drawn[: min(max(round(count * share), 1), max(count - 1, 1))])


def _lines(file: Path) -> list[bytes]:
    if not file.is_file() or file.stat().st_size > LINES_BYTES_MAX:
        raise Invalid(
            f"{file.name} is no file of lines, which public_share divides: the board's owner has "
            "to give private_labels instead."
        )
    return file.read_bytes().splitlines(keepends=True)


def lay(part: Part, folder: Path, name: str) -> tuple[Path, Path]:
    """Copy a part to where an evaluation looks for it; return its labels and its prediction."""
    test = folder / "test"
    shutil.rmtree(test, ignore_errors=True)
    labels = test / name
    labels.parent.mkdir(parents=True)
    if part.labels.is_dir():
        shutil.copytree(part.labels, labels)
    else:
        shutil.copyfile(part.labels, labels)
    prediction = folder / "prediction"
    shutil.copyfile(part.prediction, prediction)
    return labels, prediction
