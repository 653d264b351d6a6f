"""Where a service listens, and how its server is set up."""

from pathlib import Path

import grpc.aio

from nsml_core import channels
from nsml_core.errors import Refused
from nsml_core.settings import Settings

OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    # Callers make sure every 20 s (of replicas, every 2 s) that we are there, also while a stream
    # has nothing to say.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    # A second process on the same address is a mistake, not a second half.
    ("grpc.so_reuseport", 0),
)


def listen(server: grpc.aio.Server, config: Settings, name: str) -> None:
    """Let a server be reached where its service listens."""
    for address in config.listens(name):
        _clear(address)
        try:
            if config.tls is None or not config.tls.cert or address.startswith("unix:"):
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, channels.server_credentials(config.tls))
        except RuntimeError:
            raise Refused(
                f"{name} cannot listen on {address}: another process does, or it is no address of "
                "this machine."
            ) from None


def _clear(address: str) -> None:
    """Remove the socket of a process that is gone.

    One that lives is found by the supervisor, not here.
    """
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)
