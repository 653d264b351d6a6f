"""Samplers that go on in the middle of an epoch: batches of indices, each rank its own part.

They need no torch; `DataLoader(batch_sampler=…)` takes anything that yields batches.
"""

from __future__ import annotations

import random

from nsml.periflow.errors import PeriFlowError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ResumableSequentialSampler:
    """Goes through the samples in order, from where `processed_steps` steps had led."""

    def __init__(
        self,
        samples_per_epoch: int,
        processed_steps: int,
        batch_size: int,
        drop_last: bool = False,  # noqa: FBT001, FBT002 - scripts pass these by position
        data_parallel_rank: int = 0,
        data_parallel_size: int = 1,
    ) -> None:
        if batch_size % data_parallel_size:
            raise PeriFlowError("batch_size is a multiple of data_parallel_size")
        if samples_per_epoch % data_parallel_size and not drop_last:
            raise PeriFlowError(
                "samples_per_epoch is a multiple of data_parallel_size, or drop_last is set:"
                " else some ranks would have more than others"
            )
        self._samples = samples_per_epoch
        self._batch = batch_size
        self._drop_last = drop_last
        self._rank = data_parallel_rank
        self._ranks = data_parallel_size
        steps = (
            samples_per_epoch // batch_size if drop_last else -(-samples_per_epoch // batch_size)
        )
        self._epoch, begun = divmod(processed_steps, max(steps, 1))
        self._begun = begun * batch_size

    def __len__(self) -> int:
        return self._samples

    def __iter__(self) -> Iterator[list[int]]:
        """Yield what is left of this epoch; the next time, all of the next one."""
        order = self._order(self._epoch)
        for start in range(self._begun, self._samples, self._batch):
            batch = order[start : start + self._batch]
            if len(batch) < self._batch and self._drop_last:
                break
            share = len(batch) // self._ranks
            yield list(batch[self._rank * share : (self._rank + 1) * share])
        self._epoch += 1
        self._begun = 0

    def _order(self, epoch: int) -> Sequence[int]:  # noqa: ARG002 - each epoch is alike
        return range(self._samples)


class ResumableRandomSampler(ResumableSequentialSampler):
    """The same in an order that is mixed anew for each epoch: always alike for a seed."""

    def __init__(  # noqa: PLR0913, PLR0917 - scripts pass these by position
        self,
        samples_per_epoch: int,
        processed_steps: int,
        batch_size: int,
        drop_last: bool = False,  # noqa: FBT001, FBT002 - (the same)
        seed: int = 0,
        data_parallel_rank: int = 0,
        data_parallel_size: int = 1,
    ) -> None:
        super().__init__(
            samples_per_epoch,
            processed_steps,
            batch_size,
            drop_last,
            data_parallel_rank,
            data_parallel_size,
        )
        self._seed = seed

    def _order(self, epoch: int) -> Sequence[int]:
        order = list(range(self._samples))
        random.Random(f"{self._seed}/{epoch}").shuffle(order)  # noqa: S311 - no secret
        return order
