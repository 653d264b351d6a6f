"""Write the UCI handwritten digits, which scikit-learn brings, out as files: train and test."""

import sys
from pathlib import Path

from sklearn.datasets import load_digits

TRAIN = 1_437  # of 1,797: the first four fifths, as their writers differ from the others'


def main(root: Path) -> None:
    """Write one plain PGM picture a digit, 8 × 8 pixels, under `train|test/<label>/`."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = root / ("train" if number < TRAIN else "test") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        rows = "\n".join(" ".join(str(int(pixel)) for pixel in row) for row in image)
        (folder / f"{number:04}.pgm").write_text(f"P2 8 8 16\n{rows}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
