"""What the web needs to know about its surroundings, read once from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nsml_core.errors import Invalid
from nsml_core.settings import Settings
from nsml_core.tls import Tls, is_local

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class WebSettings:
    """Where the web listens, and under which names it answers."""

    host: str
    port: int
    """`NSML_WEB_ADDRESS`, as HOST:PORT."""

    origin: str
    """`NSML_WEB_ORIGIN`.

    How browsers reach it, such as `https://nsml.example.org` where a proxy with TLS stands before
    it. Default: the address itself.
    """

    key_file: Path
    """The key that seals cookies; its reader may open them."""

    tls: Tls | None = None
    """The certificate that the web itself shows, where it listens beyond this machine."""

    @property
    def is_secure(self) -> bool:
        return self.origin.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """What a browser may say that a request comes from: this web, and nobody else."""
        names = _LOOPBACK if is_local(self.host) else ()
        return frozenset({self.origin, *(f"http://{name}:{self.port}" for name in names)})

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser may call it; any other name would be a page of somebody else's."""
        return frozenset(urlsplit(origin).netloc for origin in self.origins)


def read(settings: Settings, environ: Mapping[str, str] = os.environ) -> WebSettings:
    """Read the settings of the web.

    Raises:
        Invalid: The address is none, or passwords would travel in the clear.
    """
    host, _, port = settings.web_address.rpartition(":")
    if not host or not port.isdecimal():
        raise Invalid("NSML_WEB_ADDRESS says where the web listens: write it like 127.0.0.1:8080.")
    is_open = not is_local(settings.web_address)
    own = settings.tls if is_open and settings.tls and settings.tls.cert else None
    scheme = "https" if own else "http"
    origin = environ.get("NSML_WEB_ORIGIN", "").rstrip("/") or f"{scheme}://{host}:{port}"
    if is_open and not own:
        raise Invalid(
            "Beyond this machine the web is served with TLS only: name a certificate "
            "(NSML_TLS_CERT), or listen on 127.0.0.1 behind a proxy that has one."
        )
    return WebSettings(host.strip("[]"), int(port), origin, settings.home / "web-key", own)
