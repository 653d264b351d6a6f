"""Where checkpoints and cached outputs go: to the runner, or off the platform into a folder."""

from __future__ import annotations

import os

from nsml.constants import CHECKPOINT_DIR, RUNNER_SOCKET

CACHE_DIR = os.path.join(".nsml", "cache")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Store(Protocol):
        """Takes finished folders over and finds them again."""

        scratch: str

        def put(self, folder: str, name: str, step: int | None) -> None:
            """Take a folder over, replacing the checkpoint of the same name."""

        def get(self, name: str | None, session: str | None, *, start: bool = False) -> str:
            """Return the folder of a checkpoint; the latest if it is not named.

            With start, what this session goes on from comes before what it has saved since.
            """

    class OutputStore(Protocol):
        """Keeps folders of outputs by key."""

        scratch: str

        def put(self, key: str, folder: str) -> None:
            """Take a folder over."""

        def get(self, key: str) -> str | None:
            """Return a folder that is the caller's own, or None if there is nothing kept."""


class Refused(Exception):
    """The runner answered, and will not take this folder."""


class RunnerStore:
    """The checkpoints of this session, kept by its runner."""

    scratch = CHECKPOINT_DIR

    def put(self, folder: str, name: str, step: int | None) -> None:
        """Hand the folder to the runner, which renames it away before it answers."""
        _hand({"op": "save", "id": 1, "name": name, "step": step, "path": folder})

    def get(self, name: str | None, session: str | None, *, start: bool = False) -> str:
        message = {"op": "load", "id": 1, "name": name, "session": session or None}
        if start:
            message["start"] = True
        try:
            answer = _ask(message)
        except OSError as lost:
            raise ConnectionError(
                f"checkpoint {name or '(latest)'} cannot be loaded: the runner does not answer"
            ) from lost
        if answer["ok"]:
            return str(answer["path"])
        if answer.get("damaged"):  # a script that starts afresh without one must not do so now
            raise OSError(answer["error"])
        raise FileNotFoundError(answer["error"])


class FolderStore:
    """Checkpoints as folders beside the script."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self.scratch = os.path.join(self._root, ".saving")

    def put(self, folder: str, name: str, step: int | None) -> None:  # noqa: ARG002 - see Store
        """Rename the folder into place, and only then remove what it replaces."""
        target, old = os.path.join(self._root, name), f"{folder}.old"
        os.utime(folder)
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(folder, target)
        import shutil

        shutil.rmtree(old, ignore_errors=True)

    def get(
        self,
        name: str | None,
        session: str | None,
        *,
        start: bool = False,  # noqa: ARG002 - see Store
    ) -> str:
        """Find the folder by name, or the latest by time."""
        if session:  # SESSION_NAME, which scripts pass on, is '' here
            raise FileNotFoundError(
                f"session {session} can be loaded only on NSML: here, `nsml model pull` its"
                " checkpoint and open that"
            )
        found = os.path.join(self._root, name) if name is not None else self._latest()
        if found is None or not os.path.isdir(found):
            wanted = "no checkpoint" if name is None else f"no checkpoint {name}"
            raise FileNotFoundError(f"{wanted} in {self._root}: call nsml.save() first")
        return found

    def _latest(self) -> str | None:
        if not os.path.isdir(self._root):
            return None
        folders = [
            each
            for each in os.scandir(self._root)
            if each.is_dir() and not each.name.startswith(".")
        ]
        return max(folders, key=lambda each: each.stat().st_mtime_ns).path if folders else None


class RunnerOutputs:
    """What the owner's sessions on this data have cached, kept by the runner."""

    scratch = CHECKPOINT_DIR

    def put(self, key: str, folder: str) -> None:
        _hand({"op": "keep", "id": 1, "key": key, "path": folder})

    def get(self, key: str) -> str | None:
        """Whatever is wrong, the outputs can be made again."""
        try:
            answer = _ask({"op": "fetch", "id": 1, "key": key})
        except OSError:
            return None
        return str(answer["path"]) if answer["ok"] and answer["path"] else None


class FolderOutputs:
    """Cached outputs beside the script."""

    scratch = CACHE_DIR

    def put(self, key: str, folder: str) -> None:
        os.rename(folder, os.path.join(CACHE_DIR, key))

    def get(self, key: str) -> str | None:
        import shutil

        kept = os.path.abspath(os.path.join(CACHE_DIR, key))
        return str(shutil.copytree(kept, f"{kept}.copy")) if os.path.isdir(kept) else None


def _hand(message: dict[str, Any]) -> None:
    """Hand a folder to the runner, after all that was reported before."""
    from nsml.outbox import OUTBOX

    answer = OUTBOX.request(message)
    if not answer["ok"]:
        raise Refused(str(answer["error"]).rstrip("."))


def _ask(message: dict[str, Any]) -> dict[str, Any]:
    """Ask on a connection of its own, because what is fetched may take long."""
    from nsml.wire import connect, exchange

    with connect(RUNNER_SOCKET, 10) as connection:
        connection.settimeout(None)
        return exchange(connection, message)


def remove(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


def open_outputs() -> OutputStore:
    """Return the runner's cache on the platform, a local folder elsewhere."""
    return RunnerOutputs() if RUNNER_SOCKET else FolderOutputs()


def open_store() -> Store:
    """Return the runner's store on the platform, the local folder elsewhere."""
    return RunnerStore() if RUNNER_SOCKET else FolderStore(CHECKPOINT_DIR)
