"""What the parts of the platform keep from everybody else: made once, and kept by the Swarm."""

import secrets as random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsml_core.certificates import Authority, open_authority
from nsml_core.errors import Refused

_DAYS = 365
_KEY, _CA, _WEB = "nsml_signing_key", "nsml_tls_ca", "nsml_tls_web_cert"
CERTIFIED = ("nsml", "postgres", "nats-1", "nats-2", "nats-3")
"""Who shows certificates: the services by one name, the servers by their own."""


def complete(api: Any, pki: Path, web_host: str, *, postgres_ssl: bool) -> Iterator[str]:
    """Make the secrets that are not there, and name them; the CA's key stays in the folder."""
    known = {secret["Spec"]["Name"] for secret in api.secrets()}
    wanted = {} if _KEY in known else _passwords(postgres_ssl=postgres_ssl)
    wanted |= {} if _CA in known else _certificates(pki)
    if _WEB not in known:
        wanted |= _certified(_authority(pki, is_known=_CA in known), "web", web_host)
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
        made |= _certified(authority, name, name)
    return made


def _authority(pki: Path, *, is_known: bool) -> Authority:
    """Return the platform's CA; a second one would be trusted by nobody."""
    if is_known and not (pki / "ca.key").exists():
        raise Refused(
            f"The key of the platform's CA is not in {pki}: deploy from where it was made, with "
            "the same NSML_HOME."
        )
    return open_authority(pki)


def _certified(authority: Authority, part: str, host: str) -> dict[str, bytes]:
    """Return what a part shows, and its key; others call it by the name of the host."""
    file = authority.vouch_for_host(host, _DAYS)
    return {
        f"nsml_tls_{part}_cert": file.read_bytes(),
        f"nsml_tls_{part}_key": file.with_suffix(".key").read_bytes(),
    }
