"""Injuries to the files of a store of blobs: are they found, and is nothing wrong given out."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nsml_core.blobs import pack
from nsml_core.blobs.chunk import blob_id
from nsml_core.blobs.store import Store
from nsml_core.errors import Error
from tests.faults.injuries import Injury, choose
from tests.faults.verdict import Verdict
from tests.folders import remove


@dataclass(frozen=True)
class Stored:
    """A store that nobody serves, and what it holds."""

    folder: Path
    blobs: dict[bytes, bytes]

    def files(self) -> list[Path]:
        """Its packs and its index."""
        return [*sorted((self.folder / "packs").iterdir()), self.folder / "index.sqlite"]


@contextmanager
def stored(chance: random.Random, packs: int = 8) -> Iterator[Stored]:
    """A store with some packs."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        store = Store(f"file://{folder}")
        blobs = {}
        for _ in range(packs):
            contents = [chance.randbytes(chance.randint(1, 5_000)) for _ in range(20)]
            _add(store, contents)
            blobs.update({blob_id(content): content for content in contents})
        store.close()
        yield Stored(folder, blobs)
    finally:
        remove(folder)


def _add(store: Store, contents: list[bytes]) -> None:
    _, footer = pack.seal([blob_id(each) for each in contents], [len(each) for each in contents])
    incoming = store.receive()
    try:
        incoming.write([*contents, footer])
        store.adopt(incoming.name)
    finally:
        incoming.close()


def injure(original: Stored, chance: random.Random) -> Verdict:
    """Do one thing to a copy of the store, open it, verify it, and read every blob."""
    harm = choose(chance, original.folder, original.files())
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        shutil.copytree(original.folder, folder, dirs_exist_ok=True)
        harm.do(folder)
        return _judge(original, folder, harm)
    finally:
        remove(folder)


def _judge(original: Stored, folder: Path, harm: Injury) -> Verdict:
    try:
        store = Store(f"file://{folder}")
    except Error as error:
        return Verdict(harm, "named", error.sentence)
    try:
        aside = folder / "damaged"
        found = [f"Pack {path.name} was moved to damaged/" for path in _inside(aside)]
        found += [str(damage) for damage in store.verify()]
        wrong, refused = _read(store, original)
        if wrong:
            return Verdict(harm, "missed", "; ".join(found))
        if found or refused:
            return Verdict(harm, "named" if found else "missed", "; ".join([*found, *refused]))
        return Verdict(harm, "healed")
    finally:
        store.close()


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def _read(store: Store, original: Stored) -> tuple[int, list[str]]:
    """Return how many blobs were given out wrong, and the refusals of the others."""
    wrong, refused = 0, []
    for identity, content in original.blobs.items():
        try:
            wrong += store.get(identity) != content
        except Error as error:
            refused.append(error.sentence)
    return wrong, refused[:1]
