"""cache(): what a script makes of its data is made once, and fetched from then on."""

from __future__ import annotations

import os

from nsml.constants import DATASET_NAME, DATASETS
from nsml.notice import warn, warn_once
from nsml.stores import Refused, open_outputs, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any, Callable

    from nsml.stores import OutputStore

PROCESSED = "./processed"


def made_or_fetched(
    function: Callable[..., Any], output_path: list[str] | str | None, given: dict[str, Any]
) -> None:
    """Bring the outputs of a function to their paths, one way or the other."""
    wanted = output_path or [PROCESSED]
    paths = [wanted] if isinstance(wanted, str) else [str(path) for path in wanted]
    key = _key(function, paths, given)
    store = open_outputs()
    with _alone(store.scratch, key):
        found = store.get(key)
        if found is None:
            function(output_path=wanted, **given)
            _keep(store, key, paths)
        else:
            _fetch(found, paths)


def _key(function: Callable[..., Any], paths: list[str], given: dict[str, Any]) -> str:
    import hashlib
    import inspect
    import json

    from nsml.attempt import attempt

    text, _ = attempt(inspect.getsource, function)  # it has none where it was typed
    name = getattr(function, "__qualname__", type(function).__name__)
    plain = {key: _general(value) for key, value in given.items() if _is_plain(value)}
    names = [os.path.basename(os.path.normpath(path)) for path in paths]
    content = json.dumps([DATASET_NAME, name, text, names, plain], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def _general(value: Any) -> Any:
    """Leave out what differs between two sessions on the same data: where the data lies."""
    if isinstance(value, (list, tuple)):
        return [_general(each) for each in value]
    if isinstance(value, str):
        for name, folder in DATASETS.items():
            value = value.replace(folder, f"<{name}>")
    return value


def _alone(folder: str, key: str) -> AbstractContextManager[Any]:
    """Wait until no other process of this script is at it."""
    import fcntl

    try:
        os.makedirs(folder, exist_ok=True)
        lock = open(os.path.join(folder, f"cache-{key[:16]}.lock"), "w")  # noqa: SIM115 - its caller's
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        from contextlib import nullcontext

        return nullcontext()  # each for itself, on a disk that takes no locks
    return lock


def _fetch(found: str, paths: list[str]) -> None:
    for number, path in enumerate(paths):
        _move(os.path.join(found, str(number)), os.path.abspath(path))
    remove(found)


def _move(source: str, target: str) -> None:
    """Replace what is there; another process may be reading a file, and reads on."""
    import shutil

    old = f"{target}.replaced"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source) or os.path.isdir(target):
        remove(old)
        if os.path.lexists(target):
            os.rename(target, old)
    shutil.move(source, target)
    remove(old)


def _keep(store: OutputStore, key: str, paths: list[str]) -> None:
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        warn(f"nothing is cached: the function did not write {', '.join(missing)}.")
        return
    try:
        store.put(key, _copied(store.scratch, paths))
    except (Refused, OSError, ValueError) as problem:
        warn_once("cache", f"nothing is cached, it will be made again: {problem}.")


def _copied(scratch: str, paths: list[str]) -> str:
    """Copy outputs into a folder by their numbers: the script may go on to change its own."""
    import shutil
    import tempfile

    folder = os.path.abspath(tempfile.mkdtemp(prefix="cache-", dir=scratch))
    try:
        for number, path in enumerate(paths):
            target = os.path.join(folder, str(number))
            if os.path.isdir(path):
                shutil.copytree(path, target)
            else:
                shutil.copyfile(path, target)
    except BaseException:
        remove(folder)
        raise
    return folder
