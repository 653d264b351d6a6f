"""A baseline: the mean picture of each digit, and whichever is nearest; no library needed."""

import argparse
import json
from pathlib import Path

import nsml

Picture = list[float]


class Means:
    """One mean picture for each label."""

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}

    def learn(self, pictures: list[list[int]], labels: list[str]) -> None:
        """Average the pictures of each label."""
        for label in sorted(set(labels)):
            mine = [picture for picture, its in zip(pictures, labels, strict=True) if its == label]
            self.pictures[label] = [sum(pixels) / len(mine) for pixels in zip(*mine, strict=True)]

    def nearest(self, picture: list[int]) -> str:
        """Return the label whose mean is nearest."""

        def distance(label: str) -> float:
            pairs = zip(picture, self.pictures[label], strict=True)
            return sum((a - b) ** 2 for a, b in pairs)

        return min(self.pictures, key=distance)


def bind(model: Means) -> None:
    """Tell NSML how it is saved, loaded and asked."""

    def save(folder: str) -> None:
        (Path(folder) / "means.json").write_text(json.dumps(model.pictures))

    def load(folder: str) -> None:
        model.pictures = json.loads((Path(folder) / "means.json").read_text())

    def infer(pictures: list[list[int]]) -> list[str]:
        return [model.nearest(picture) for picture in pictures]

    nsml.bind(save=save, load=load, infer=infer)


def read(folder: Path) -> tuple[list[list[int]], list[str]]:
    """Return pictures and labels of the train split."""
    lines = (folder / "train_data").read_text().splitlines()
    pictures = [[int(pixel) for pixel in line.split()] for line in lines]
    return pictures, (folder / "train_label").read_text().split()


def main() -> None:
    """Learn, say how well that went, and keep it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="train")  # these three are NSML's
    parser.add_argument("--pause", type=int, default=0)
    parser.add_argument("--iteration", default="0")
    config = parser.parse_args()
    model = Means()
    bind(model)
    if config.pause:
        nsml.paused(scope=locals())

    pictures, labels = read(Path(nsml.DATASET_PATH or "digits") / "train")
    model.learn(pictures, labels)
    right = sum(model.nearest(one) == its for one, its in zip(pictures, labels, strict=True))
    nsml.report(summary=True, step=0, train__accuracy=right / len(labels))
    print(f"{right} of {len(labels)} digits that it has learnt from", flush=True)
    nsml.save(0)


if __name__ == "__main__":
    main()
