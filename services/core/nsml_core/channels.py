"""How gRPC reaches a service and is reached: at one address or several, by TLS at a port.

Of several replicas those are called, in turn, that say that they serve; one that stands by says
that it does not.
"""

import json
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from nsml_core.errors import Invalid, Unavailable
from nsml_core.tls import Tls, host_of

Options = tuple[tuple[str, Any], ...]

_NOT_TWICE = [
    # A retry loses messages of a stream that it sends again; who streams begins again itself.
    # What was typed is evaluated once.
    {"service": "nsml.Attempts", "method": "Link"},
    {"service": "nsml.Attempts", "method": "Attach"},
    {"service": "nsml.Sessions", "method": "Eval"},
    {"service": "nsml.Sessions", "method": "Shell"},
    {"service": "nsml.Blobs", "method": "PutPack"},
]
_RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_METHODS = [{"name": _NOT_TWICE}, {"name": [{}], "retryPolicy": _RETRY}]
OPTIONS: Options = (
    ("grpc.service_config", json.dumps({"methodConfig": _METHODS})),
    ("grpc.enable_retries", 1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A service that was started anew has another address, where names are those of containers.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)
_SEVERAL: Options = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),  # of pings that measure, behind which others wait
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.default_authority", "nsml"),
)
"""A replica that hangs, or whose machine is gone, is left for another within seconds."""


def connect(
    address: str, secured: Tls | None, *, service: str = "", interceptors: Sequence[Any] = ()
) -> grpc.aio.Channel:
    """Return a channel for event loops."""
    options = _options(address, service, secured)
    credentials = client_credentials(secured, address)
    target = _target(address)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)


def connect_blocking(address: str, secured: Tls | None, *, service: str = "") -> grpc.Channel:
    """Return a channel for threads."""
    options = _options(address, service, secured)
    credentials = client_credentials(secured, address)
    if credentials is None:
        return grpc.insecure_channel(_target(address), options=options)
    return grpc.secure_channel(_target(address), credentials, options=options)


def _options(address: str, service: str, secured: Tls | None) -> Options:
    if address.startswith("unix:"):
        return OPTIONS
    config = {
        "methodConfig": _METHODS,
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": service},
    }
    chosen = dict(OPTIONS) | {"grpc.service_config": json.dumps(config)}
    if "," in address or address.startswith("dns:"):
        chosen |= dict(_SEVERAL)
    if secured is not None and secured.expected(address) != host_of(address):
        chosen["grpc.ssl_target_name_override"] = secured.expected(address)
    return tuple(chosen.items())


def _target(address: str) -> str:
    """Return an address as gRPC takes it; of several it wants to have numbers."""
    if "," not in address:
        return address
    found = []
    for each in address.split(","):
        try:
            _, _, hosts = socket.gethostbyname_ex(host_of(each))
        except socket.gaierror:
            continue  # that machine is gone, or not there yet
        found += [f"{host}:{each.rpartition(':')[2]}" for host in hosts]
    if not found:
        raise Unavailable(f"None of {address} has an address that can be found; is the name right?")
    return "ipv4:" + ",".join(dict.fromkeys(found))


def client_credentials(secured: Tls | None, address: str) -> grpc.ChannelCredentials | None:
    """Return what a caller trusts and shows; None where the connection is not encrypted."""
    if secured is None or address.startswith("unix:"):
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read(secured.ca or _of_this_machine()),
        private_key=_read(secured.key),
        certificate_chain=_read(secured.cert),
    )


def _of_this_machine() -> Path | None:
    found = ssl.get_default_verify_paths().cafile
    return Path(found) if found else None


def server_credentials(secured: Tls) -> grpc.ServerCredentials:
    """Return what a service shows, read again whenever its file has been replaced."""
    stamps = _stamps(secured)
    shown = _configuration(secured)

    def renewed() -> grpc.ServerCertificateConfiguration:
        nonlocal stamps, shown
        now = _stamps(secured)
        if now and now != stamps:
            stamps, shown = now, _configuration(secured)
        return shown

    return grpc.dynamic_ssl_server_credentials(
        shown, renewed, require_client_authentication=bool(secured.client_ca)
    )


def _configuration(secured: Tls) -> grpc.ServerCertificateConfiguration:
    pair = (_read(secured.key) or b"", _read(secured.cert) or b"")
    return grpc.ssl_server_certificate_configuration(
        [pair], root_certificates=_read(secured.client_ca)
    )


def _stamps(secured: Tls) -> list[int]:
    files = (secured.key, secured.cert, secured.client_ca)
    try:
        return [file.stat().st_mtime_ns for file in files if file]
    except FileNotFoundError:
        return []  # being replaced: what was read goes on until the next look


def _read(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from None
