"""Where content is written on this machine, so that nothing of value is lost by a slip."""

import secrets
import shutil
from pathlib import Path

from nsml_core.errors import NotFound, Refused

_MOUNTED_AT = "/app/"  # where sessions of old saw their code; scripts name files so


def place(target: Path, *, force: bool) -> Path:
    """Return where to write: the target if it is new or empty, else a new folder beside it."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return target
    if not force:
        raise Refused(_taken(target))
    for precious in (Path.cwd(), Path.home()):
        if precious.is_relative_to(target.resolve()):
            raise Refused(f"{target} holds more than this: name a folder of its own.")
    return beside(target, "new")


def swap(draft: Path, target: Path) -> None:
    """Put what was written in the target's place."""
    if draft == target:
        return
    old = beside(target, "old")
    target.rename(old)
    draft.rename(target)
    remove(old)


def place_part(part: str, folder: Path, *, force: bool) -> Path:
    """Return where a file or folder, that may not be there yet, would come to lie in a folder."""
    target = folder / _inside(part).name
    if target.exists() and not force:
        raise Refused(_taken(target))
    return target


def take_part(draft: Path, part: str, target: Path) -> None:
    """Put one file or folder of what was written in the target's place."""
    inside = _inside(part)
    found = draft / inside
    if ".." in inside.parts or not found.exists():
        raise NotFound(f"There is no {part!r} in what the session wrote.")
    if target.exists():
        remove(target)
    found.rename(target)


def beside(target: Path, end: str) -> Path:
    """Return a name that is not taken, in the same folder and so on the same disk."""
    whole = target.absolute()
    return whole.parent / f".{whole.name}.{secrets.token_hex(4)}.{end}"


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _inside(part: str) -> Path:
    return Path(part.removeprefix(_MOUNTED_AT).lstrip("/"))


def _taken(target: Path) -> str:
    return f"{target} is there already: replace it with -f (force), or name another folder."
