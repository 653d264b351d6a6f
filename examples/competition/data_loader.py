"""Feed the digits of a test split to a model, and write down what it says of each."""

from collections.abc import Callable
from pathlib import Path

from nsml import DATASET_PATH


def feed_infer(output_file: str, infer: Callable[[list[list[int]]], list[int]]) -> None:
    """Write one label a line."""
    lines = (Path(DATASET_PATH) / "test" / "test_data").read_text().splitlines()
    labels = infer([[int(pixel) for pixel in line.split()] for line in lines])
    Path(output_file).write_text("".join(f"{label}\n" for label in labels))
