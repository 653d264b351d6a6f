"""One upload of a step's checkpoint, however many ranks ask for it.

Each rank leaves a mark when it asks, and rank 0 uploads: at once if all marks are there, for then
every rank has written its part; else at the end of its next step, when those that train with it
have, and those that have no mark never ask. After the last step it waits a moment for them.
"""

from __future__ import annotations

import os
import shutil
from time import monotonic, sleep

from nsml.checkpoints import save

LAST_SECONDS = 5.0
"""How long rank 0 waits for the others when it ends and its last checkpoint is not kept yet."""


class Uploads:
    """Those of one rank."""

    def __init__(self, marks: str, rank: int, ranks: int) -> None:
        self._marks = marks
        self._rank = rank
        self._ranks = ranks
        self._waiting: tuple[int, str] | None = None

    def offer(self, step: int, part: str, *, is_urgent: bool) -> None:
        """Ask for the upload of a step's checkpoint."""
        self._mark(step)
        if self._rank:
            return
        self._settle()
        self._waiting = (step, part)
        if is_urgent or self._are_all_there(step):
            self._settle()

    def settle(self, *, is_last: bool) -> None:
        """Upload what waits: other ranks have had a step of training for it."""
        if is_last and self._waiting is not None:
            patience = monotonic() + LAST_SECONDS
            while not self._are_all_there(self._waiting[0]) and monotonic() < patience:
                sleep(LAST_SECONDS / 50)
        self._settle()

    def _settle(self) -> None:
        if self._waiting is None:
            return
        (step, part), self._waiting = self._waiting, None
        if self._take(step):
            _upload(step, part)

    def _mark(self, step: int) -> None:
        with open(os.path.join(self._folder(step), f"rank-{self._rank}"), "w", encoding="utf-8"):
            pass

    def _are_all_there(self, step: int) -> bool:
        names = os.listdir(self._folder(step))
        return sum(name.startswith("rank-") for name in names) >= self._ranks

    def _take(self, step: int) -> bool:
        """Where a script starts its ranks itself, several may believe that they are rank 0."""
        try:
            os.mkdir(os.path.join(self._folder(step), "taken"))
        except FileExistsError:
            return False
        return True

    def _folder(self, step: int) -> str:
        folder = os.path.join(self._marks, str(step))
        os.makedirs(folder, exist_ok=True)
        return folder


def _upload(step: int, part: str) -> None:
    """Copy: the script may write into its folder again at once."""
    source = os.path.join(os.environ["CKPT_DIR"], part)

    def fill(path: str) -> None:
        shutil.copytree(source, os.path.join(path, part), symlinks=True, dirs_exist_ok=True)

    save(step, save_fn=fill)
