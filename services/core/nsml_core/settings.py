"""Where everything is: one frozen dataclass, read once from the environment.

Importing this module is cheap, because every command and every service does it first.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Invalid

SERVICES = ("identity", "dataset", "ledger", "session", "scheduler")

_SOCKET_PATH_MAX = 100  # the kernel takes 107 bytes; some are left for suffixes


@dataclass(frozen=True)
class Settings:
    """What a process of the platform needs to know about its surroundings."""

    home: Path
    """`NSML_HOME`: the one folder that holds all state. Default: `~/.nsml`."""

    nats_url: str
    """`NSML_NATS_URL`: the log's server, with its credentials."""

    nats_monitor_url: str
    """`NSML_NATS_MONITOR_URL`.

    Where that server tells how it syncs; needed to prove that the log is safe.
    """

    postgres_url: str
    """`NSML_POSTGRES_URL`: the views' database, any PostgreSQL 14 or newer."""

    blobs_url: str
    """`NSML_BLOBS_URL`.

    Where content is kept; `file:///…` or `s3://…`. Default: `$NSML_HOME/blobs`.
    """

    addresses: Mapping[str, str]
    """`NSML_<SERVICE>_ADDRESS`.

    The gRPC target of each service. Default: a socket in the run folder.
    """

    allow_unsafe_log: bool
    """`NSML_ALLOW_UNSAFE_LOG=yes`: serve on a log that acknowledges before it is on disk."""

    otlp_endpoint: str
    """`OTEL_EXPORTER_OTLP_ENDPOINT`: telemetry goes there; empty: nowhere."""

    @property
    def secret_file(self) -> Path:
        """The key that signs tokens; its reader may speak as anybody."""
        return self.home / "secret"

    @property
    def token_file(self) -> Path:
        """The local user's token."""
        return self.home / "token"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time while nothing runs: environments, materialised trees."""
        return self.home / "cache"

    @property
    def work(self) -> Path:
        """The folders of session attempts on this node."""
        return self.home / "work"

    @property
    def shared(self) -> Path:
        """What sessions on this node share with later ones of the same owner."""
        return self.home / "shared"


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of this process."""
    home = home_folder(environ)
    run = run_dir(home)
    return Settings(
        home=home,
        nats_url=environ.get("NSML_NATS_URL", ""),
        nats_monitor_url=environ.get("NSML_NATS_MONITOR_URL", ""),
        postgres_url=environ.get("NSML_POSTGRES_URL", ""),
        blobs_url=environ.get("NSML_BLOBS_URL") or f"file://{home / 'blobs'}",
        addresses={
            name: environ.get(f"NSML_{name.upper()}_ADDRESS") or f"unix:{run / name}.sock"
            for name in SERVICES
        },
        allow_unsafe_log=environ.get("NSML_ALLOW_UNSAFE_LOG", "") == "yes",
        otlp_endpoint=environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
    )


def home_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return `NSML_HOME` as an absolute path; the folder need not exist."""
    home = Path(environ.get("NSML_HOME") or "~/.nsml").expanduser()
    # Without following links: the name is the identity.
    return Path(os.path.abspath(home))  # noqa: PTH100


def run_dir(home: Path) -> Path:
    """Return the folder of sockets and pid files.

    In the home, or outside where the home's path is too long for one.
    """
    inside = home / "run"
    if len(os.fsencode(inside)) + len("/scheduler.sock") <= _SOCKET_PATH_MAX:
        return inside
    import hashlib  # noqa: PLC0415 - only long homes need it
    import tempfile  # noqa: PLC0415

    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nsml-{os.getuid()}-{digest}"


def make_run_dir(home: Path) -> Path:
    """Create the run folder, for its owner alone, and return it."""
    run = run_dir(home)
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = run.lstat()
    if run.is_symlink() or status.st_uid != os.getuid():
        raise Invalid(f"{run} belongs to somebody else; choose another NSML_HOME.")
    run.chmod(0o700)
    return run
