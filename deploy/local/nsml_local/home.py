"""One NSML_HOME: its folders, and what must be the same at the next start."""

import json
import os
import random
import secrets
import shutil
import socket
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from nsml_core import settings
from nsml_core.errors import Damaged, Exhausted, Invalid, Refused
from nsml_core.settings import Settings, make_run_dir, run_dir

LAYOUT = 2
_NEEDED_BYTES = 256 * 1024**2
_FOLDERS = ("logs", "nats", "blobs")
# What may stand in a home before its first start.
_OURS = {
    "lock", "run", "cache", "work", "shared", "blobs", "logs", "nats", "secret", "token",
    "lost+found",
}  # fmt: skip
# Where addresses of PostgreSQL, and lines of supervisord's configuration, would be cut.
_CUTS = (",", " ;", " #", "\n")
# Below the range from which Linux takes the local ports of outgoing connections: such a port can
# be taken between our look and the server's only by somebody who asks for exactly it.
_PORTS = range(20_000, 32_768)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered in `embedded.json`."""

    layout: int
    nats_port: int
    monitor_port: int
    nats_password: str
    postgres_password: str
    web_port: int = 0
    """Of the web; 0 in homes of layout 1, which knew none."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home that is ready to be started in."""

    folder: Path
    run: Path
    kept: Kept

    @property
    def settings(self) -> Settings:
        """What this process and the caller's environment say about this home."""
        return settings.read({**os.environ, "NSML_HOME": str(self.folder)})

    @property
    def nats_url(self) -> str:
        return f"nats://nsml:{self.kept.nats_password}@127.0.0.1:{self.kept.nats_port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.kept.monitor_port}"

    @property
    def postgres_url(self) -> str:
        host = quote(str(self.run), safe="")
        return f"postgresql://nsml:{self.kept.postgres_password}@/postgres?host={host}"

    @property
    def web_address(self) -> str:
        return f"127.0.0.1:{self.kept.web_port}"

    @property
    def nats_data(self) -> Path:
        return self.folder / "nats"

    @property
    def restored_nats_data(self) -> Path:
        """A log that was restored and waits to take the place of the one there."""
        return self.folder / "nats.ready"

    @property
    def postgres_data(self) -> Path:
        return self.folder / "postgres"

    def log(self, program: str) -> Path:
        return self.folder / "logs" / f"{program}.log"


def make(folder: Path) -> Home:
    """The home at `folder`, made private on first use; refused in one sentence if it cannot be."""
    if any(mark in str(folder) for mark in _CUTS):
        raise Invalid(f"{folder} has a comma or a comment mark in it; set NSML_HOME to another.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = _read(folder) or _first(folder)
        check_room(folder)
        for name in _FOLDERS:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        run = make_run_dir(folder)
    except OSError as error:
        raise Invalid(unusable(folder, error)) from error
    return Home(folder, run, kept)


def unusable(folder: Path, error: OSError) -> str:
    """What to say when the home cannot be written."""
    return (
        f"{folder} cannot be used ({error.strerror}: {error.filename}); set NSML_HOME to a folder "
        "that you can write."
    )


def refuse_what_is_no_home(folder: Path) -> None:
    """Stop before the first change to a folder that holds something else: `NSML_HOME=/`, say."""
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except FileNotFoundError:
        return
    except OSError as error:
        raise Invalid(unusable(folder, error)) from error
    if "embedded.json" not in names and (foreign := sorted(names - _OURS)):
        raise Refused(
            f"{folder} is no NSML home and holds other things ({foreign[0]}); set NSML_HOME to a "
            "new or empty folder."
        )
    _check_owner(folder)


def find(folder: Path) -> Home | None:
    """The home at `folder` if there is one; nothing is made or changed."""
    kept = _read(folder)
    return Home(folder, run_dir(folder), kept) if kept else None


def refuse_a_half_restored_log(at: Home) -> None:
    """Start nothing while a restored log is not in its place."""
    if at.restored_nats_data.exists():
        raise Refused(
            "A restore of the log was broken off: `nsml admin log restore` brings it to its end."
        )


def with_free_ports(home: Home) -> Home:
    """The same home, on other ports where somebody else has taken the remembered ones."""
    kept = home.kept
    if not (_is_free(kept.nats_port) and _is_free(kept.monitor_port)):
        nats_port, monitor_port = _free_ports(2)
        kept = replace(kept, nats_port=nats_port, monitor_port=monitor_port)
    if not (kept.web_port and _is_free(kept.web_port)):
        (web_port,) = _free_ports(1)
        kept = replace(kept, layout=LAYOUT, web_port=web_port)
    if kept == home.kept:
        return home
    _write(home.folder, kept)
    return replace(home, kept=kept)


def _read(folder: Path) -> Kept | None:
    file = folder / "embedded.json"
    try:
        known = json.loads(file.read_text())
        layout = int(known["layout"])
        if layout <= LAYOUT:
            return Kept(**known)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Invalid(unusable(folder, error)) from error
    except (ValueError, KeyError, TypeError):
        raise Damaged(
            f"{file} cannot be read; restore it from a backup of {folder}, or set NSML_HOME to "
            "another folder."
        ) from None
    raise Refused(
        f"{folder} was written by a newer NSML (layout {layout}, this one knows {LAYOUT}); "
        "upgrade NSML, or set NSML_HOME to another folder."
    )


def _check_owner(folder: Path) -> None:
    # Under sudo, say: root's files in somebody's home would lock its owner out.
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise Refused(
            f"{folder} belongs to user {owner} and you are {os.geteuid()}; start as its owner, or "
            "set NSML_HOME to a folder of yours."
        )


def _first(folder: Path) -> Kept:
    folder.chmod(0o700)
    # A node without it has forgotten what ran there, as one that was restored elsewhere has.
    (folder / "work").mkdir(mode=0o700, exist_ok=True)
    nats_port, monitor_port, web_port = _free_ports(3)
    kept = Kept(
        layout=LAYOUT,
        nats_port=nats_port,
        monitor_port=monitor_port,
        nats_password=secrets.token_hex(24),
        postgres_password=secrets.token_hex(24),
        web_port=web_port,
    )
    _write(folder, kept)
    return kept


def _write(folder: Path, kept: Kept) -> None:
    write_private(folder / "embedded.json", json.dumps(asdict(kept), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace `path` at once and durably, readable by its owner alone from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_room(folder: Path, what: str = "NSML", needed: int = _NEEDED_BYTES) -> None:
    """Refuse to begin what the disk has no room for."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Exhausted(
            f"The disk of {folder} has {free >> 20} MiB left and {what} needs {needed >> 20}; "
            "free some, or set NSML_HOME to a folder on another disk."
        )


def _free_ports(count: int) -> list[int]:
    free = (port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))
    return list(islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server itself will: a port whose last connections are still fading is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
