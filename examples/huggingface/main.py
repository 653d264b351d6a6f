"""A tiny language model trained with the Trainer of Transformers: one callback, one path."""

import argparse

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from nsml.integrations.huggingface import NSMLCallback


class Counting(Dataset):
    """Sequences that count up: what comes next is easy to learn."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        tokens = (torch.arange(8) + index) % 16
        return {"input_ids": tokens, "labels": tokens}


def main() -> None:
    """Train some steps, from the beginning or from where the session was resumed or forked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=8)
    args, _ = parser.parse_known_args()  # NSML adds --pause and --iteration when it goes on
    set_seed(1)
    config = GPT2Config(
        vocab_size=16, n_positions=8, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    callback = NSMLCallback(summary=["loss"])
    trainer = Trainer(
        model=GPT2LMHeadModel(config),
        args=TrainingArguments(
            output_dir="checkpoints",
            max_steps=args.steps,
            logging_steps=1,
            save_steps=4,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Counting(),
        callbacks=[callback],
    )
    path = callback.resume_path()
    trainer.train(resume_from_checkpoint=path)
    print(f"{'went on' if path else 'began'}, and ended after {trainer.state.global_step} steps")


if __name__ == "__main__":
    main()
