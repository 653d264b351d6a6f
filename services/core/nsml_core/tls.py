"""Which certificates this process trusts, and which one it shows: read from the environment.

TLS covers what has a host and a port. A socket in a folder of one's own needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Invalid

SYSTEM = "system"
SHARED_NAME = "nsml"
"""What every certificate of a service that has several addresses is also for."""

_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@dataclass(frozen=True)
class Tls:
    """How connections over a network are kept private, and each end is known to the other."""

    ca: Path | None
    """`NSML_TLS_CA`: who vouches for services; `system`, here None: whom this machine trusts."""

    cert: Path | None = None
    """`NSML_TLS_CERT`: this process's own certificate, and those between it and its CA."""

    key: Path | None = None
    """`NSML_TLS_KEY`: the key of that certificate, in a file that only its owner reads."""

    client_ca: Path | None = None
    """`NSML_TLS_CLIENT_CA`: who calls a service shows a certificate of this CA (mutual TLS)."""

    name: str = ""
    """`NSML_TLS_NAME`: the name in certificates of services, where it is not their address."""

    def expected(self, address: str) -> str:
        """Return whose certificate is to be seen at an address."""
        if self.name:
            return self.name
        return SHARED_NAME if "," in address else host_of(address)


def read(environ: Mapping[str, str]) -> Tls | None:
    """Read the settings; None where nothing is said of TLS."""
    ca, cert, key, client_ca = (
        environ.get(f"NSML_TLS_{name}", "") for name in ("CA", "CERT", "KEY", "CLIENT_CA")
    )
    if bool(cert) != bool(key):
        given, other = ("CERT", "KEY") if cert else ("KEY", "CERT")
        raise Invalid(f"NSML_TLS_{given} is set, and NSML_TLS_{other} is not: set both.")
    if client_ca and not cert:
        raise Invalid("NSML_TLS_CLIENT_CA is for services: set NSML_TLS_CERT and NSML_TLS_KEY too.")
    if not ca and not cert:
        return None
    return Tls(
        ca=None if ca in {"", SYSTEM} else _file(ca),
        cert=_file(cert) if cert else None,
        key=_file(key) if key else None,
        client_ca=_file(client_ca) if client_ca else None,
        name=environ.get("NSML_TLS_NAME", ""),
    )


def _file(text: str) -> Path:
    return Path(text).expanduser().absolute()


def host_of(address: str) -> str:
    """Return the host in `HOST:PORT`, with or without a scheme before it."""
    host = address.rpartition("//")[2].removeprefix("dns:").rpartition("@")[2]
    return host.rpartition(":")[0].strip("[]") if ":" in host else host


def is_local(address: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if address.startswith("unix:"):
        return True
    host = host_of(address)
    return not host or host.startswith(_LOOPBACK)
