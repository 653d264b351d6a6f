"""Lay the UCI handwritten digits, which scikit-learn brings, out as a competition's data."""

import sys
from collections.abc import Iterable
from pathlib import Path

from sklearn.datasets import load_digits

TRAIN, SMALL = 1_437, 40  # of 1,797: the last fifth is of other writers


def main(root: Path) -> None:
    """Write data and labels of each split, a line for a digit, and what feeds and judges."""
    digits = load_digits()
    pixels = [" ".join(str(int(pixel)) for pixel in image.ravel()) for image in digits.images]
    labels = [str(label) for label in digits.target]
    splits = {
        "train": slice(0, TRAIN),
        "test_submit": slice(TRAIN, TRAIN + SMALL),
        "test": slice(TRAIN + SMALL, None),
    }
    for name, part in splits.items():
        kind = "train" if name == "train" else "test"
        write(root / name / f"{kind}_data", pixels[part])
        write(root / name / f"{kind}_label", labels[part])
    here = Path(__file__).parent
    for name in ("data_loader.py", "evaluation.py", "board.yml"):
        (root / name).write_text((here / name).read_text())


def write(file: Path, lines: Iterable[str]) -> None:
    """Write lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
