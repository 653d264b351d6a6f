"""Train a small network on handwritten digits: what a training script for NSML looks like."""

import argparse
import pickle
import random
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

import nsml

CLASSES = np.arange(10)


def read_digits(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n × 64, from 0 to 1) and labels of a folder with one folder a digit."""
    files = sorted(folder.glob("*/*.pgm"))
    images = np.array([read_pgm(file) for file in files])
    return images, np.array([int(file.parent.name) for file in files])


def read_pgm(file: Path) -> np.ndarray:
    """Return the pixels of a plain PGM file, from 0 to 1."""
    _, _, _, most, *pixels = file.read_text().split()
    return np.array(pixels, dtype=float) / float(most)


def bind(model: MLPClassifier) -> None:
    """Tell NSML how this model is saved and loaded."""

    def save(folder: str) -> None:
        (Path(folder) / "model.pkl").write_bytes(pickle.dumps(model))

    def load(folder: str) -> None:
        saved = pickle.loads((Path(folder) / "model.pkl").read_bytes())
        model.__dict__.update(saved.__dict__)

    nsml.bind(save=save, load=load)


def main() -> None:
    """Train, report after every epoch, keep a checkpoint now and then."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", default="train")  # these three are NSML's
    parser.add_argument("--pause", type=int, default=0)
    parser.add_argument("--iteration", default="0")
    config = parser.parse_args()
    random.seed(config.seed)
    np.random.seed(config.seed)

    model = MLPClassifier(
        (config.hidden,), learning_rate_init=config.lr, batch_size=64, random_state=config.seed
    )
    bind(model)
    if config.pause:
        nsml.paused(scope=locals())

    root = Path(nsml.DATASET_PATH or "digits")
    train_x, train_y = read_digits(root / "train")
    test_x, test_y = read_digits(root / "test")
    print(f"{len(train_x)} digits to learn from, {len(test_x)} to be asked about", flush=True)

    for epoch in range(int(config.iteration) + 1, config.epochs + 1):
        order = np.random.permutation(len(train_x))
        model.partial_fit(train_x[order], train_y[order], classes=CLASSES)
        loss = log_loss(train_y, model.predict_proba(train_x), labels=CLASSES)
        accuracy = model.score(test_x, test_y)
        print(f"epoch {epoch:2}  loss {loss:.4f}  accuracy {accuracy:.4f}", flush=True)
        nsml.report(summary=True, step=epoch, train__loss=loss, test__accuracy=accuracy)
        if epoch % 5 == 0 or epoch == config.epochs:
            nsml.save(epoch)


if __name__ == "__main__":
    main()
