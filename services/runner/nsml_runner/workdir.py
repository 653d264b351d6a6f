"""Where things lie in an attempt's folder, and who holds it."""

import contextlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from nsml_core.errors import Invalid

LONGEST_SOCKET_PATH = 100
"""In bytes; the kernel's own limit is 107, and 103 on macOS."""

_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
"""A path that a shell leaves in one piece."""

_AS_ROOT = "as.root"


class Taken(Exception):
    """This attempt's folder has had a runner before: an attempt is started once."""


@dataclass(frozen=True, slots=True)
class WorkDir:
    root: Path

    seen_as: Path | None = None
    """Where user code finds it; None: where it is."""

    user: int | None = None
    """Who user code is, if it is somebody else than the runner."""

    @property
    def seen(self) -> "WorkDir":
        """The same folders, by the names under which user code finds them."""
        return WorkDir(self.seen_as or self.root)

    def inside(self, path: Path) -> Path:
        """Return how user code finds what lies in this folder."""
        return self.seen.root / path.relative_to(self.root)

    def outside(self, named: str) -> Path:
        """Return where that lies which user code names; it may name anything."""
        path = Path(named)
        below = path.is_relative_to(self.seen.root)
        return self.root / path.relative_to(self.seen.root) if below else path

    def let_be_root(self) -> None:
        """Let user code be root, as it asked: without rights over what is anybody else's."""
        (self.root / _AS_ROOT).touch()

    def give(self, path: Path) -> None:
        """Let user code have it, with all that is in it."""
        if self.user is not None:
            change_owner(path, 0 if (self.root / _AS_ROOT).exists() else self.user)

    def take_back(self, path: Path) -> None:
        """Keep user code from changing what is in it, also by what it has still open."""
        if self.user is not None:
            change_owner(path, os.getuid())

    @property
    def code(self) -> Path:
        return self.root / "code"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def scratch(self) -> Path:
        """Where the SDK makes the folders that it then asks to save."""
        return self.root / "checkpoints"

    @property
    def saved(self) -> Path:
        """Checkpoints that the runner has taken over."""
        return self.root / "saved"

    @property
    def loaded(self) -> Path:
        """Checkpoints that were brought here for the user's code to load."""
        return self.root / "loaded"

    @property
    def start(self) -> Path:
        """The checkpoint that the attempt goes on from, until the user's code asks for it."""
        return self.loaded / "start"

    @property
    def input(self) -> Path:
        """The checkpoint of another session that a job begins with."""
        return self.root / "input"

    @property
    def home(self) -> Path:
        """The home of user code in a container, which sees no other."""
        return self.root / "home"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def raw(self) -> Path:
        """What user code printed, as it came."""
        return self.root / "raw"

    @property
    def sdk(self) -> Path:
        """Holds `nsml` and nothing else, so that no package of the platform comes with it."""
        return self.root / "sdk"

    @property
    def shims(self) -> Path:
        """Holds the modules of other names that lead to `nsml`, as far as they are wanted."""
        return self.root / "shims"

    def claim(self) -> None:
        """Take the folder for this process, for good; its file tells the engine who runs."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(self.root / "runner.pid", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError as error:
            message = f"{self.root} was already taken by a runner"
            raise Taken(message) from error
        with os.fdopen(handle, "w") as file:
            file.write(identity(os.getpid()))

    def make_folders(self) -> None:
        for folder in (self.code, self.data, self.output, self.scratch, self.saved, self.loaded):
            folder.mkdir()

    def take_over(self, given: Path, target: Path) -> None:
        """Move a folder that the SDK has filled out of the user's reach."""
        if given.parent.resolve() != self.scratch.resolve() or given.is_symlink():
            raise Invalid(f"What is handed over lies directly in {self.seen.scratch}.")
        try:
            given.rename(target)
            self.take_back(target)
        except OSError as error:
            raise Invalid(
                f"{self.scratch.name}/{given.name} cannot be taken over: {error.strerror}."
            ) from None

    def has_output(self) -> bool:
        return self.output.is_dir() and any(self.output.iterdir())

    def note_user_code(self, pid: int) -> None:
        """Tell the engine which process group to kill should this runner ever be gone."""
        try:
            named = identity(pid)
        except psutil.NoSuchProcess:
            return  # there is nothing to kill any more
        unfinished = self.root / "user.pid.new"
        unfinished.write_text(named)
        unfinished.replace(self.root / "user.pid")

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        with contextlib.suppress(OSError):  # another attempt of the session may lie there
            self.root.parent.rmdir()


def change_owner(path: Path, user: int) -> None:
    """Links are not followed, wherever they are put meanwhile."""
    os.chown(path, user, user, follow_symlinks=False)
    if path.is_symlink() or not path.is_dir():
        return
    for _, folders, files, descriptor in os.fwalk(path):
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)


def identity(pid: int) -> str:
    """A process by number and start time, so that a reused number is not mistaken for it."""
    return json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()})


def plain_folder(work: WorkDir) -> Path:
    """A folder for the SDK's socket, and for what a shell is to name.

    It is the attempt's own, unless that path is too long for the one or too odd for the other.
    """
    path = work.root / "sdk.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and _PLAIN.fullmatch(str(path)):
        return work.root
    return Path(tempfile.mkdtemp(prefix="nsml-"))
