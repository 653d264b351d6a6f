"""DistributedDataParallel on NSML: the same losses on one node and on several."""

import argparse
import os
import sys

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import nsml

BATCH = 16
"""Of all processes together; in equal parts, so that their mean gradient is that of the batch."""


def meet() -> None:
    """Join the other processes; a session on one node has none, and is a group of its own."""
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    else:
        distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)


def part() -> int:
    """Return how much of a batch each process has."""
    part, rest = divmod(BATCH, distributed.get_world_size())
    if rest:
        sys.exit(f"{distributed.get_world_size()} processes cannot have equal parts of {BATCH}.")
    return part


def data() -> TensorDataset:
    x = torch.linspace(-1, 1, 64, dtype=torch.double)[:, None]
    return TensorDataset(x, 3 * x + 1)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(1, 1).double()


def mean(loss: torch.Tensor) -> float:
    """Return the loss of the whole batch, of which each process has that of its part."""
    total = loss.detach().clone()
    distributed.all_reduce(total)
    return total.item() / distributed.get_world_size()


def main() -> None:
    """Train some epochs, from the beginning or from where the session was resumed or forked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    args, _ = parser.parse_known_args()  # NSML adds --pause and --iteration when it goes on
    meet()
    model, progress = network(), {"epoch": 0, "step": 0}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    nsml.bind(model=model, optimizer=optimizer, progress=progress)
    nsml.paused()  # on every node: each has got the checkpoint

    parallel = DistributedDataParallel(model)
    sampler = DistributedSampler(data(), seed=1)
    loader = DataLoader(data(), batch_size=part(), sampler=sampler)
    first = distributed.get_rank() == 0
    print(f"rank {distributed.get_rank()} begins at step {progress['step']}, {part()} points each")
    while progress["epoch"] < args.epochs:
        sampler.set_epoch(progress["epoch"])  # another order for each, the same one everywhere
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(parallel(x), y)
            loss.backward()
            optimizer.step()
            progress["step"] += 1
            whole = mean(loss)
            if first:
                nsml.report(summary=True, step=progress["step"], train__loss=whole)
        progress["epoch"] += 1
        if first:
            nsml.save(progress["epoch"])
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
