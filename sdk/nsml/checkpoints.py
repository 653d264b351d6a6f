"""save() and load(): checkpoints by name, written and read by the script's own callbacks."""

from __future__ import annotations

import os
import time

from nsml.attempt import attempt, described
from nsml.bindings import BOUND
from nsml.notice import warn, warn_once
from nsml.stores import Refused, open_store, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from nsml.stores import Store

NAME_LENGTH_MAX = 100
FILE = "checkpoint.nsml"
"""A folder with only this file holds a checkpoint whose callbacks read and write a file."""

_unsaved: list[str] = []
"""Names of checkpoints whose callbacks raised."""


def save(iteration: int | str | None = None, save_fn: Callable[..., Any] | None = None) -> None:
    """Save a checkpoint under a number or a name; without one, under the time (UTC).

    The callback (save_fn, or else the bound one) gets the path of an empty folder to fill. A
    callback that wants to write a file there instead may do so. The same name overwrites. A
    callback that raises costs its checkpoint, and stderr says so; with `strict` it is an error.

    Returns as soon as the runner has taken the folder over; uploading goes on behind it. If the
    runner is gone, training goes on, the folder stays where it is and stderr says so, once.
    Off the platform checkpoints are folders in ./.nsml/checkpoints (or $NSML_CHECKPOINT_DIR).
    """
    name, step = _named(iteration)
    callback = save_fn or BOUND.saver()
    store = open_store()
    try:
        path = _scratch(store, name)
    except OSError as problem:
        warn_once("scratch", f"checkpoint {name} is not saved: {problem}.")
        return
    try:
        raised = _write(callback, path)
    except BaseException:  # the session is being stopped
        remove(path)
        raise
    if raised is None:
        _hand_over(store, path, name, step)
    else:
        remove(path)
        _go_on_without(name, raised)


def load(
    iteration: int | str | None = None,
    load_fn: Callable[..., Any] | None = None,
    session: str | None = None,
    *,
    checkpoint: int | str | None = None,
) -> None:
    """Load a checkpoint by number or name; without one, the latest.

    `checkpoint` is another spelling of `iteration`; `session` names another session to load from.
    The callback (load_fn, or else the bound one) gets the path that the save callback filled, or
    if it complains that this is a folder, the path of the single file in it.
    Raises FileNotFoundError if there is no such checkpoint, OSError if its content is damaged,
    ConnectionError if the runner is gone: a script that asked for one must not go on without it.
    """
    wanted = checkpoint if iteration is None else iteration
    callback = load_fn or BOUND.loader()
    _read(callback, open_store().get(None if wanted is None else _named(wanted)[0], session))


def load_start(name: str | None) -> None:
    """Load what this session goes on from, even if the script has saved under its name since."""
    callback = BOUND.loader()
    _read(callback, start_path(name))


def start_path(name: str | None) -> str:
    """Return the folder of what this session goes on from."""
    return open_store().get(name, None, start=True)


def _named(iteration: Any) -> tuple[str, int | None]:
    """Return the checkpoint's name, and its step if it is a number."""
    if iteration is None:
        return _time_name(time.time()), None
    if hasattr(iteration, "__index__"):  # int and numpy's integers
        return str(int(iteration)), int(iteration)
    if not isinstance(iteration, (str, float)):
        kind = type(iteration).__name__
        raise TypeError(f"a checkpoint is named by a number or a string, not a {kind}")
    name = str(iteration)
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable() or _is_path(name):
        raise ValueError(
            f"{name!r} cannot name a checkpoint: use up to {NAME_LENGTH_MAX} printable characters,"
            " without slashes, not beginning with a dot"
        )
    return name, None


def _time_name(now: float) -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now * 1000) % 1000:03d}"


def _is_path(name: str) -> bool:
    return name.startswith(".") or "/" in name or "\\" in name


def _scratch(store: Store, name: str) -> str:
    import tempfile

    os.makedirs(store.scratch, exist_ok=True)
    return os.path.abspath(tempfile.mkdtemp(prefix=f"{name}-", dir=store.scratch))


def _write(callback: Callable[..., Any], path: str) -> Exception | None:
    """Let the callback write, and return what it raised."""
    _, problem = attempt(BOUND.call, callback, path)
    # Scripts of 2018 write the path itself, or make the folder: frameworks then complain of a
    # directory in many words, so what tells is that nothing was written.
    if isinstance(problem, (OSError, RuntimeError)) and _is_empty(path):
        os.rmdir(path)
        _, problem = attempt(BOUND.call, callback, path)
    return problem


def _read(callback: Callable[..., Any], path: str) -> None:
    inside = os.listdir(path)
    if inside == [FILE]:
        BOUND.call(callback, os.path.join(path, FILE))
        return
    _, problem = attempt(BOUND.call, callback, path)
    # Scripts of late 2018 fill a folder, and are given the file if there is but one.
    if problem is not None and len(inside) == 1 and _wants_a_file(problem):
        BOUND.call(callback, os.path.join(path, inside[0]))
    elif problem is not None:
        raise problem


def _wants_a_file(problem: Exception) -> bool:
    return isinstance(problem, IsADirectoryError) or "is a directory" in str(problem).lower()


def _is_empty(path: str) -> bool:
    return os.path.isdir(path) and not os.listdir(path)


def _hand_over(store: Store, path: str, name: str, step: int | None) -> None:
    if _is_empty(path):
        warn(f"checkpoint {name} is empty: the save callback wrote nothing into its folder.")
    try:
        _wrap(path)
        store.put(path, name, step)
    except Refused as refusal:
        warn(f"checkpoint {name} is not stored: {refusal}; it is kept in {path}.")
    except (OSError, ValueError) as problem:
        warn_once(
            "kept",
            f"checkpoint {name} could not be handed over ({problem}): training goes"
            f" on, and checkpoints are kept in {store.scratch}.",
        )


def _wrap(path: str) -> None:
    """Put a checkpoint that is a file into a folder."""
    if os.path.isfile(path):
        os.rename(path, f"{path}.file")
        os.mkdir(path)
        os.rename(f"{path}.file", os.path.join(path, FILE))


def _go_on_without(name: str, problem: Exception) -> None:
    if BOUND.strict:
        raise problem
    if not _unsaved:
        import atexit

        atexit.register(_tell_unsaved)
    _unsaved.append(name)
    warn_once(
        f"save {type(problem).__name__}",
        f"checkpoint {name} is not saved, and training goes on: the save callback raised"
        f" {described(problem)}. NSML_STRICT=1 makes this an error.",
    )


def _tell_unsaved() -> None:
    if len(_unsaved) > 1:
        warn(f"{len(_unsaved)} checkpoints were not saved, the last of them {_unsaved[-1]}.")
