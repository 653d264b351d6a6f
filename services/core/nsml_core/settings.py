"""Where everything is: one frozen dataclass, read once from the environment.

Importing this module is cheap, because every command and every service does it first.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nsml_core import tls
from nsml_core.errors import Invalid
from nsml_core.tls import Tls

SERVICES = ("identity", "dataset", "ledger", "session", "scheduler")
"""In this order they have their ports in a row; a new one comes at the end."""

_PORT_MAX = 65_535
_NO_LIMIT = (0.0, 0.0)
_LIMIT = (100.0, 1000.0)
_LEASE_SECONDS_MAX = 60
_SOCKET_PATH_MAX = 100  # the kernel takes 107 bytes; some are left for suffixes


@dataclass(frozen=True)
class Settings:
    """What a process of the platform needs to know about its surroundings."""

    home: Path
    """`NSML_HOME`: the one folder that holds all state. Default: `~/.nsml`."""

    nats_url: str
    """`NSML_NATS_URL`: the log's server, or each of a cluster, with commas; with credentials."""

    nats_monitor_url: str
    """`NSML_NATS_MONITOR_URL`.

    Where that server tells how it syncs, or each of several; needed to prove that the log is safe.
    """

    postgres_url: str
    """`NSML_POSTGRES_URL`: the views' database, any PostgreSQL 14 or newer."""

    blobs_url: str
    """`NSML_BLOBS_URL`.

    Where content is kept; `file:///…` or `s3://…`. Default: `$NSML_HOME/blobs`.
    """

    addresses: Mapping[str, str]
    """`NSML_<SERVICE>_ADDRESS`, or a row of ports from `NSML_SERVER=HOST:PORT` on.

    The gRPC target of each service; several, with commas between them, are its replicas, as several
    rows are those of all services. Default: a socket in the run folder.
    """

    web_address: str
    """`NSML_WEB_ADDRESS`.

    Where the web listens, `HOST:PORT`; `none`: there is no web. Default in the embedded mode: a
    port of loopback that the home remembers.
    """

    allow_unsafe_log: bool
    """`NSML_ALLOW_UNSAFE_LOG=yes`: serve on a log that acknowledges before it is on disk."""

    otlp_endpoint: str
    """`OTEL_EXPORTER_OTLP_ENDPOINT`: telemetry goes there; empty: nowhere."""

    tls: Tls | None = None
    """`NSML_TLS_…`: see nsml_core/tls.py; None: connections are not encrypted."""

    listening: Mapping[str, str] = field(default_factory=dict)
    """`NSML_<SERVICE>_LISTEN`, or a row of ports from `NSML_LISTEN=HOST:PORT` on.

    Where a service listens, if that is not its address, or beside its socket.
    """

    allow_plaintext: bool = False
    """`NSML_ALLOW_PLAINTEXT=yes`: serve the network without TLS."""

    log_replicas: int = 1
    """`NSML_LOG_REPLICAS`: on so many servers of a cluster the log is kept; 1, 3 or 5."""

    engine: str = "local"
    """`NSML_ENGINE`: where runners are started; `local`, or `swarm`."""

    signing_key: Path | None = None
    """`NSML_SECRET_FILE`: the key that signs tokens. Default: made in the home on first use."""
    scales_out: bool = False
    """`NSML_SCALE_OUT=yes`: each service may have replicas, and a second scheduler stands by."""

    rate_limit: tuple[float, float] | None = None
    """`NSML_RATE_LIMIT=RATE/BURST`: calls a second of one person, and how many at once; `0`: any.

    Without it, a service that listens beyond this machine takes 100 a second, 1,000 at once.
    """

    lease_seconds: float = 3.0
    """`NSML_LEASE_SECONDS`: who leads and says nothing for so long is succeeded."""

    def listens(self, name: str) -> tuple[str, ...]:
        """Return where a service listens."""
        address, given = self.addresses[name], self.listening.get(name, "")
        if not given and "," in address:
            variable = f"NSML_{name.upper()}"
            raise Invalid(
                f"{variable}_ADDRESS names several: set {variable}_LISTEN to where this one "
                "listens."
            )
        is_own = not given or address.startswith("unix:")
        return (*([address] if is_own else []), *filter(None, given.split(",")))

    def limits(self, name: str) -> tuple[float, float]:
        """Return how many calls a second, and at once, a service takes of one person."""
        if self.rate_limit is not None:
            return self.rate_limit
        return _NO_LIMIT if all(map(tls.is_local, self.listens(name))) else _LIMIT

    @property
    def secret_file(self) -> Path:
        """The key that signs tokens; its reader may speak as anybody."""
        return self.signing_key or self.home / "secret"

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
    secured = tls.read(environ)
    return Settings(
        home=home,
        nats_url=environ.get("NSML_NATS_URL", ""),
        nats_monitor_url=environ.get("NSML_NATS_MONITOR_URL", ""),
        postgres_url=_postgres_url(environ.get("NSML_POSTGRES_URL", ""), secured),
        blobs_url=environ.get("NSML_BLOBS_URL") or f"file://{home / 'blobs'}",
        addresses={
            name: _of_service(environ, name, "ADDRESS", "NSML_SERVER") or f"unix:{run / name}.sock"
            for name in SERVICES
        },
        listening={name: _of_service(environ, name, "LISTEN", "NSML_LISTEN") for name in SERVICES},
        web_address=environ.get("NSML_WEB_ADDRESS", ""),
        allow_unsafe_log=environ.get("NSML_ALLOW_UNSAFE_LOG", "") == "yes",
        otlp_endpoint=environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        tls=secured,
        allow_plaintext=environ.get("NSML_ALLOW_PLAINTEXT", "") == "yes",
        log_replicas=int(_one_of(environ, "NSML_LOG_REPLICAS", ("1", "3", "5"))),
        engine=_one_of(environ, "NSML_ENGINE", ("local", "swarm")),
        signing_key=Path(key) if (key := environ.get("NSML_SECRET_FILE")) else None,
        scales_out=environ.get("NSML_SCALE_OUT", "") == "yes",
        rate_limit=_rate(environ.get("NSML_RATE_LIMIT", "")),
        lease_seconds=_seconds(environ, "NSML_LEASE_SECONDS", 3.0),
    )


def _one_of(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Return what a variable says; the first word is the default."""
    value = environ.get(name) or words[0]
    if value not in words:
        raise Invalid(f"{name} is {value!r}: set it to one of {', '.join(words)}.")
    return value


def _rate(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    rate, _, burst = text.partition("/")
    burst = burst or rate
    if not (rate.isdecimal() and burst.isdecimal()) or (int(rate) and not int(burst)):
        raise Invalid(
            f"NSML_RATE_LIMIT is {text!r}: write calls a second and at once, as 100/1000."
        )
    return float(rate), float(burst)


def _seconds(environ: Mapping[str, str], name: str, otherwise: float) -> float:
    text = environ.get(name) or str(otherwise)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= _LEASE_SECONDS_MAX:
        raise Invalid(f"{name} is {text!r}: write seconds, 1 to {_LEASE_SECONDS_MAX}.")
    return value


def _of_service(environ: Mapping[str, str], name: str, what: str, row: str) -> str:
    """Return what is said of one service, or its place in a row of ports; else nothing."""
    given = environ.get(f"NSML_{name.upper()}_{what}", "")
    if given or not environ.get(row):
        return given
    return ",".join(_in_row(name, first, row) for first in environ[row].split(","))


def _in_row(name: str, first: str, row: str) -> str:
    host, _, port = first.rpartition(":")
    last = _PORT_MAX - len(SERVICES)
    if not host or not port.isdecimal() or not 0 < int(port) <= last:
        raise Invalid(
            f"{row} is {first!r}: write HOST:PORT, the first of {len(SERVICES)} ports in a row."
        )
    return f"{host}:{int(port) + SERVICES.index(name)}"


def _postgres_url(url: str, secured: Tls | None) -> str:
    """Return a URL that asks for TLS where the server is across a network and we have it."""
    if not url or secured is None or secured.ca is None or "sslmode=" in url:
        return url
    from urllib.parse import urlencode, urlsplit  # noqa: PLC0415 - only services need it

    if tls.is_local(urlsplit(url).hostname or ""):
        return url
    files = {"sslrootcert": secured.ca, "sslcert": secured.cert, "sslkey": secured.key}
    words = {"sslmode": "verify-full", **{name: file for name, file in files.items() if file}}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(words)}"


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
