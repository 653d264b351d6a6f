"""What can happen to a file on a disk: a bit flips, its end is gone, a sector comes back empty."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SECTOR = 512
_NEAR = 64
_KINDS = ("flip", "flip", "flip", "cut", "empty")


@dataclass(frozen=True)
class Injury:
    """One thing that happens to one file."""

    file: str
    how: str
    at: int
    """The bit that flips; else the byte where the end, or the sector, begins."""

    def do(self, folder: Path) -> None:
        """Injure the file in this folder."""
        path = folder / self.file
        content = bytearray(path.read_bytes())
        before = bytes(content)
        if self.how == "flip":
            content[self.at // 8] ^= 1 << self.at % 8
        elif self.how == "cut":
            del content[self.at :]
        else:
            end = min(self.at + _SECTOR, len(content))
            content[self.at : end] = bytes(end - self.at)
        if content == before:  # a sector that was empty: flip its first bit
            content[self.at] ^= 1
        path.chmod(0o600)
        path.write_bytes(content)


def choose(chance: random.Random, folder: Path, files: Sequence[Path]) -> Injury:
    """Choose what happens; a file's ends are hit as often as all that lies between."""
    path = chance.choice([file for file in files if file.stat().st_size])
    size = path.stat().st_size
    near = min(size, _NEAR)
    at = chance.choice(
        (chance.randrange(size), chance.randrange(near), size - 1 - chance.randrange(near))
    )
    how = chance.choice(_KINDS)
    bit = at * 8 + chance.randrange(8) if how == "flip" else at
    return Injury(str(path.relative_to(folder)), how, bit)
