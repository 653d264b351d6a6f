"""A trial for NNI, unmodified: dotted parameters are mixed into OmegaConf's dataclasses."""

from dataclasses import dataclass, field

import nni
from omegaconf import OmegaConf


@dataclass
class Train:
    """How to train."""

    lr: float = 0.1
    epochs: int = 5


@dataclass
class Config:
    """The defaults, which a trial's parameters replace by dotted key."""

    train: Train = field(default_factory=Train)
    seed: int = 42


def main() -> None:
    """Walk down a parabola, and tell how far it went."""
    config = OmegaConf.structured(Config)
    for key, value in nni.get_next_parameter().items():
        OmegaConf.update(config, key, value)
    x = 1.0
    for _ in range(config.train.epochs):
        x -= config.train.lr * 2 * x
        nni.report_intermediate_result(x * x)
    nni.report_final_result({"default": x * x, "x": x})


if __name__ == "__main__":
    main()
