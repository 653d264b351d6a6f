"""Scikit-learn learns in parts: the bound model itself is the checkpoint."""

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import nsml

EPOCHS = 6


def main() -> None:
    """Train, report and save after every epoch; a resumed or forked session goes on."""
    train_x, test_x, train_y, test_y = train_test_split(
        *load_digits(return_X_y=True), random_state=1
    )
    model, progress = SGDClassifier(random_state=1), {"epoch": 0}
    nsml.bind(model=model, progress=progress)  # pickled, and restored in place
    nsml.paused()
    while progress["epoch"] < EPOCHS:
        progress["epoch"] += 1
        model.partial_fit(train_x, train_y, classes=range(10))
        accuracy = model.score(test_x, test_y)
        print(f"epoch {progress['epoch']}: accuracy {accuracy:.3f}")
        nsml.report(summary=True, step=progress["epoch"], test__accuracy=accuracy)
        nsml.save(progress["epoch"])


if __name__ == "__main__":
    main()
