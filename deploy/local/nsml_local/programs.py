"""What runs in the embedded mode, as data: the servers, then each service."""

import http.client
import socket
import sys
from collections.abc import Sequence

from nsml_core.settings import SERVICES, Settings
from nsml_core.tls import is_local
from nsml_local import servers
from nsml_local.home import Home
from nsml_local.servers import Program

PARTS = (*SERVICES, "web")
"""What is started beside the servers, in this order."""

NO_WEB = "none"

_ANSWER_SECONDS = 2


def programs(at: Home, settings: Settings, services: Sequence[str] = PARTS) -> list[Program]:
    """The programs of this home; a server that the caller named by URL is not ours to run."""
    ours = []
    if not settings.nats_url:
        ours.append(servers.nats_program(at))
    if not settings.postgres_url:
        ours.append(servers.postgres_program(at))
    grpc = [name for name in services if name in settings.addresses]
    ours += [_service(name, settings) for name in grpc]
    if "web" in services and settings.web_address != NO_WEB:
        ours.append(_web(web_address(at, settings)))
    return ours


def endpoints(at: Home, settings: Settings) -> dict[str, str]:
    """Where each of them listens."""
    return {
        "nats": servers.nats_endpoint(at),
        "postgres": servers.postgres_endpoint(at),
        **{name: _endpoint(name, settings) for name in settings.addresses},
        **({} if settings.web_address == NO_WEB else {"web": web_address(at, settings)}),
    }


def web_address(at: Home, settings: Settings) -> str:
    """Where the web of this home listens."""
    return settings.web_address or at.web_address


def _endpoint(name: str, settings: Settings) -> str:
    """Where a service is: here if it listens here, else the first of its replicas."""
    address = settings.addresses[name]
    return address.split(",")[0] if "," in address else settings.listens(name)[0]


def accepts(endpoint: str) -> bool:
    """Whether somebody listens there: quick, and without a client for the protocol spoken."""
    is_unix = endpoint.startswith("unix:")
    host, _, port = endpoint.rpartition("/")[2].rpartition(":")
    with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET) as probe:
        probe.settimeout(1)
        to = endpoint.removeprefix("unix:") if is_unix else (host, int(port))
        return probe.connect_ex(to) == 0


def _service(name: str, settings: Settings) -> Program:
    address = settings.listens(name)[0]
    return Program(
        name=name,
        command=[sys.executable, "-m", f"nsml_{name}"],
        endpoint=address,
        is_ready=lambda: accepts(address) and _serves(address, settings),
    )


def _web(address: str) -> Program:
    return Program(
        name="web",
        command=[sys.executable, "-m", "nsml_web"],
        endpoint=address,
        # Beyond this machine it shows a certificate, which is for those who come from there.
        is_ready=lambda: accepts(address) and (not is_local(address) or _is_healthy(address)),
    )


def _is_healthy(address: str) -> bool:
    # Not urllib, which would ask a proxy.
    connection = http.client.HTTPConnection(address, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _serves(address: str, settings: Settings) -> bool:
    # gRPC takes 60 ms to import, which `down` and `status` need not pay.
    from nsml_local import health  # noqa: PLC0415

    return health.serves(address, settings.tls)
