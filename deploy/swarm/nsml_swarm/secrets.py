"""What the parts of the platform keep from everybody else: made once, and kept by the Swarm."""

import secrets as random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsml_core.certificates import open_authority

_DAYS = 365
_KEY, _CA = "nsml_signing_key", "nsml_tls_ca"
CERTIFIED = ("nsml", "postgres", "nats-1", "nats-2", "nats-3")
"""Who shows certificates: the services by one name, the servers by their own."""


def complete(api: Any, pki: Path, *, postgres_ssl: bool) -> Iterator[str]:
    """Make the secrets that are not there, and name them; the CA's key stays in the folder."""
    known = {secret["Spec"]["Name"] for secret in api.secrets()}
    wanted = {} if _KEY in known else _passwords(postgres_ssl=postgres_ssl)
    wanted |= {} if _CA in known else _certificates(pki)
    for name, content in wanted.items():
        api.create_secret(name, content)
        yield name


def _passwords(*, postgres_ssl: bool) -> dict[str, bytes]:
    nats, postgres = random.token_hex(24), random.token_hex(24)
    servers = ",".join(f"nats://nsml:{nats}@nats-{at}:4222" for at in (1, 2, 3))
    words = "" if postgres_ssl else "?sslmode=disable"
    return {
        "nsml_nats_password": nats.encode(),
        "nsml_nats_url": servers.encode(),
        "nsml_postgres_password": postgres.encode(),
        "nsml_postgres_url": f"postgresql://nsml:{postgres}@postgres/postgres{words}".encode(),
        _KEY: random.token_bytes(32),
    }


def _certificates(pki: Path) -> dict[str, bytes]:
    authority = open_authority(pki)
    made = {_CA: (pki / "ca.pem").read_bytes()}
    for name in CERTIFIED:
        file = authority.vouch_for_host(name, _DAYS)
        made[f"nsml_tls_{name}_cert"] = file.read_bytes()
        made[f"nsml_tls_{name}_key"] = file.with_suffix(".key").read_bytes()
    return made
