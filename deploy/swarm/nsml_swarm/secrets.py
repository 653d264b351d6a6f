"""What the parts of the platform keep from everybody else: made by us, and kept by the Swarm.

A secret of a Swarm is never changed. A certificate that is renewed is another secret, whose name
ends with how often it was; the stack names the newest of each part.
"""

import re
import secrets as random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nsml_core.certificates import Authority, open_authority
from nsml_core.errors import Refused

_DAYS = 365
_EARLY = timedelta(days=30)
"""So long before it ends a certificate is renewed by whoever deploys."""

_KEY, _CA = "nsml_signing_key", "nsml_tls_ca"
_HOST, _UNTIL = "nsml.host", "nsml.until"
_CERT = re.compile(r"nsml_tls_(?P<part>.+)_cert(?:\.(?P<version>\d+))?")
PARTS = ("nats-1", "nats-2", "nats-3", "postgres", "nsml", "web")
"""Who shows certificates: servers and the web by names of their own, all services by one name.

In this order they are renewed, one after another.
"""


@dataclass(frozen=True)
class Certificate:
    """What the Swarm keeps for a part, as far as it tells."""

    part: str
    version: int
    host: str
    """Whom it is for; empty: nobody noted it."""

    until: datetime


def newest(secrets: Iterable[Mapping[str, Any]]) -> dict[str, Certificate]:
    """Return the newest certificate of each part, from the Swarm's list of secrets."""
    found: dict[str, Certificate] = {}
    for secret in secrets:
        name = _CERT.fullmatch(secret["Spec"]["Name"])
        if name is None:
            continue
        labels = secret["Spec"].get("Labels") or {}
        made = datetime.fromisoformat(secret["CreatedAt"][:19]).replace(tzinfo=UTC)
        until = labels.get(_UNTIL)
        one = Certificate(
            name["part"],
            int(name["version"] or 1),
            labels.get(_HOST, ""),
            datetime.fromisoformat(until) if until else made + timedelta(days=_DAYS),
        )
        if one.part not in found or found[one.part].version < one.version:
            found[one.part] = one
    return found


def due(
    known: Mapping[str, Certificate], hosts: Mapping[str, str], now: datetime
) -> list[list[str]]:
    """Return the parts to renew, in turns: what ends soon, or is for another host than it has now.

    A turn is one part, so that the others serve meanwhile; what has ended serves nobody any more,
    and is the first turn together.
    """
    ended = [part for part in PARTS if part in known and known[part].until <= now]
    soon = [
        [part]
        for part in PARTS
        if part in known
        and part not in ended
        and (known[part].until - now < _EARLY or known[part].host not in {"", hosts[part]})
    ]
    return [*([ended] if ended else []), *soon]


def hosts(web: str) -> dict[str, str]:
    """Return the name by which each part is called."""
    return {part: web if part == "web" else part for part in PARTS}


def _suffix(version: int) -> str:
    return "" if version == 1 else f".{version}"


class Secrets:
    """The secrets of a Swarm; the key of the platform's CA stays in a folder of this machine."""

    def __init__(self, api: Any, pki: Path, hosts: Mapping[str, str]) -> None:
        self._api = api
        self._pki = pki
        self._hosts = hosts

    def certificates(self) -> dict[str, Certificate]:
        """Return the newest certificate of each part."""
        return newest(self._api.secrets())

    def due(self, now: datetime) -> list[list[str]]:
        """Return which certificates are to be renewed, in turns."""
        return due(self.certificates(), self._hosts, now)

    def versions(self) -> dict[str, str]:
        """Return what the stack has to know to name the newest certificates."""
        return {
            f"NSML_TLS_{part.upper().replace('-', '_')}": _suffix(one.version)
            for part, one in self.certificates().items()
        }

    def complete(self, *, postgres_ssl: bool) -> list[str]:
        """Make what is not there, and name it."""
        known = {secret["Spec"]["Name"] for secret in self._api.secrets()}
        made = {} if _KEY in known else _passwords(postgres_ssl=postgres_ssl)
        if _CA not in known:
            made[_CA] = (open_authority(self._pki).folder / "ca.pem").read_bytes()
        for name, content in made.items():
            self._keep(name, content)
        missing = [part for part in PARTS if part not in self.certificates()]
        return [*made, *(name for part in missing for name in self.certify(part))]

    def certify(self, part: str) -> list[str]:
        """Make a part's certificate, or a newer one, and its key; return their names."""
        known = self.certificates().get(part)
        suffix = _suffix(known.version + 1 if known else 1)
        host = self._hosts[part]
        file = self._authority().vouch_for_host(host, _DAYS)
        until = (datetime.now(UTC) + timedelta(days=_DAYS)).isoformat(timespec="seconds")
        names = [f"nsml_tls_{part}_{what}{suffix}" for what in ("key", "cert")]
        # The key first: a certificate that is there has one.
        for name, content in zip(names, (file.with_suffix(".key"), file), strict=True):
            self._keep(name, content.read_bytes(), {_HOST: host, _UNTIL: until})
        return names

    def _keep(self, name: str, content: bytes, labels: Mapping[str, str] | None = None) -> None:
        """Keep a secret, in place of what was left of one by who was broken off."""
        for one in self._api.secrets(filters={"name": name}):
            if one["Spec"]["Name"] == name:  # the filter takes what begins so
                self._api.remove_secret(one["ID"])
        self._api.create_secret(name, content, labels=labels)

    def _authority(self) -> Authority:
        """Return the platform's CA; a second one would be trusted by nobody."""
        if not (self._pki / "ca.key").exists():
            raise Refused(
                f"The key of the platform's CA is not in {self._pki}: deploy from where it was "
                "made, with the same NSML_HOME."
            )
        return open_authority(self._pki)


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
