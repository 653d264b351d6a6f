"""Ask a model pulled from NSML what some digits are: `predict.py MODEL_FOLDER DATA_FOLDER`."""

import pickle
import sys
from pathlib import Path

from main import read_digits

SHADES = " .:-=+*#%@"
SHOWN = 4


def main(model_folder: Path, data_folder: Path) -> int:
    """Draw some of the test digits with the model's answers, and tell how often it was right."""
    model = pickle.loads((model_folder / "model.pkl").read_bytes())
    images, labels = read_digits(data_folder / "test")
    answers = model.predict(images)
    shown = range(0, len(images), len(images) // SHOWN)[:SHOWN]
    for row in range(8):
        print("   ".join(draw(images[index], row) for index in shown))
    print("   ".join(f"{f'looks like {answers[index]}':16}" for index in shown))
    right = int((answers == labels).sum())
    print(f"The pulled model knows {right} of {len(labels)} digits that it has never seen.")
    return 0 if right > len(labels) * 0.8 else 1


def draw(image: "object", row: int) -> str:
    """Return one row of a digit, two characters a pixel."""
    pixels = image[row * 8 : row * 8 + 8]
    return "".join(SHADES[int(pixel * (len(SHADES) - 1))] * 2 for pixel in pixels)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
