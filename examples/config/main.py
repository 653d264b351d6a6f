"""A script that is configured from outside: `nsml run -c conf train.lr=0.3`."""

import nsml

DEFAULTS = {"train": {"lr": 0.1, "epochs": 5}, "model": {"start": 1.0}}


def main() -> None:
    """Walk down a parabola, as the configuration says."""
    config = nsml.config(DEFAULTS)
    x = config.model.start
    for epoch in range(1, config.train.epochs + 1):
        x -= config.train.lr * 2 * x
        nsml.report(summary=True, step=epoch, height=x * x)
    print(f"{config.train.epochs} steps of {config.train.lr} from {config.model.start} lead to {x}")


if __name__ == "__main__":
    main()
