"""What each script of the past prints, saves and predicts, and the data that it does so with."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"

FEED_INFER = """
import os
HERE = os.path.dirname(__file__)

def feed_infer(output_file, infer_func):
    with open(os.path.join(HERE, "test", "test_data")) as file:
        result = infer_func(file.read().splitlines())
    with open(output_file, "w") as file:
        file.writelines("%s %s\\n" % each for each in result)

def test_data_loader():
    raise NotImplementedError
"""
FEED_BINARY = """
import os, pickle

def feed_infer(output_file, infer_func):
    with open(output_file, "wb") as file:
        pickle.dump(infer_func(os.path.join(os.path.dirname(__file__), "test")), file)
"""
TEST_DATA_LOADER = """
import os

def test_data_loader(root_path):
    assert os.path.isfile(os.path.join(root_path, "test_data"))
    return ["q1"], ["q1", "r1"]
"""


@dataclass(frozen=True)
class Era:
    """One script, and what comes of it."""

    name: str
    trained: str
    """The last line of its training."""
    saved: list[str]
    goes_on: tuple[str, str] | None = None
    """A checkpoint, and the last line of the training that goes on from it."""
    loader: str = ""
    """The dataset's own data_loader.py."""
    prediction: bytes = b""
    """What the checkpoint saved last makes of the test data."""
    train: dict[str, str] = field(
        default_factory=lambda: {"train/train_data": "왜\t왜\n왜\t뭐\n뭐\t뭐\n"}
    )

    def code(self) -> dict[str, str]:
        folder = SCRIPTS / self.name
        return {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.is_file()}

    def data(self) -> dict[str, str]:
        """Return the dataset's files; the train split is absent when a model is submitted."""
        test = {"test/test_data": "a\ta\na\tb\n"}
        loader = {"data_loader.py": self.loader} if self.loader else {}
        return {**self.train, "train/train_label": "1\n0\n1\n", **test, **loader}


SPEECH = pickle.dumps([{"path": "test_data", "text": "안녕안녕"}])
ERAS = [
    Era(
        *("kin_2018", "weight 4.0", ["0", "1"], ("0", "weight 6.0")),
        *(FEED_INFER, b"4.0 1\n4.0 0\n"),
    ),
    Era("movie_2018", "step 3", ["1", "3"], ("1", "step 3")),
    Era(
        *("vision_2018", "images 2 epoch 2", ["0", "1"], ("0", "images 2 epoch 3")),
        *(TEST_DATA_LOADER, b'[[0, ["q1", ["r1"]]]]'),
        {"train/train_data/a/1.jpg": "12345", "train/train_data/b/2.jpg": "6789"},
    ),
    Era("nlp_2019", "world 1 0 shared False", ["best", "best", "TIME", "last"]),
    Era("speech_2023", "weights 2", ["0", "1"], ("0", "weights 3"), FEED_BINARY, SPEECH),
]
