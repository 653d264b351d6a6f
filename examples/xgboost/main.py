"""XGBoost: a callback reports every round and saves the booster, and training goes on from it."""

from pathlib import Path

import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import nsml

ROUNDS = 20
MODEL = "model.ubj"


class Report(xgboost.callback.TrainingCallback):
    """Reports what XGBoost evaluates, and saves a checkpoint every five rounds."""

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: dict) -> bool:  # noqa: ARG002
        done = model.num_boosted_rounds()
        for data, metrics in evals_log.items():
            values = {f"{data}/{name}": each[-1] for name, each in metrics.items()}
            nsml.report(summary=True, step=done, **values)
        if done % 5 == 0:
            nsml.save(done, lambda folder: model.save_model(Path(folder) / MODEL))
        return False


def main() -> None:
    """Train up to so many rounds in all, from the beginning or from a checkpoint."""
    train_x, test_x, train_y, test_y = train_test_split(
        *load_breast_cancer(return_X_y=True), random_state=1
    )
    train, test = xgboost.DMatrix(train_x, train_y), xgboost.DMatrix(test_x, test_y)
    start: list[xgboost.Booster] = []
    nsml.bind(load=lambda folder: start.append(xgboost.Booster(model_file=Path(folder) / MODEL)))
    nsml.paused()
    done = start[0].num_boosted_rounds() if start else 0
    xgboost.train(
        {"objective": "binary:logistic", "eval_metric": "logloss", "seed": 1},
        train,
        ROUNDS - done,
        evals=[(test, "test")],
        xgb_model=start[0] if start else None,
        callbacks=[Report()],
        verbose_eval=False,
    )
    print(f"{'went on' if done else 'began'}, and ended after {ROUNDS} rounds")


if __name__ == "__main__":
    main()
