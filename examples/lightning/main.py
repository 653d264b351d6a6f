"""A plain LightningModule on NSML: two objects for the trainer, and one path to go on from."""

import argparse

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nsml.integrations.lightning import NSMLCheckpoint, NSMLLogger


class Line(pl.LightningModule):
    """Learns y = 3x + 1."""

    def __init__(self, lr: float = 0.1) -> None:  # noqa: ARG002 - Lightning reads it
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        loss = self._loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        self.log("val/loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.5)

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.layer(x), y)


def data() -> DataLoader:
    x = torch.linspace(-1, 1, 64)[:, None]
    return DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16)


def main() -> None:
    """Train for some epochs, from the beginning or from where the session was resumed or forked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.1)
    args, _ = parser.parse_known_args()  # NSML adds --pause and --iteration when it goes on
    pl.seed_everything(1)
    checkpoint = NSMLCheckpoint()
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        accelerator="cpu",
        logger=NSMLLogger(summary=["val/loss"]),
        callbacks=[checkpoint],
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    path = checkpoint.resume_path()
    trainer.fit(Line(args.lr), data(), data(), ckpt_path=path)
    print(f"{'went on' if path else 'began'}, and ended after {trainer.global_step} steps")


if __name__ == "__main__":
    main()
