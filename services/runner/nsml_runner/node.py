"""How this node keeps user code apart, as its administrator has set it; read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from nsml_core.errors import Invalid
from nsml_core.sizes import size

SANDBOXES = ("process", "docker")
OWN = "own"
SUBNET = 26
"""How much of a range each session's own network is."""

GIGABYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Node:
    """The settings of a node's sandbox."""

    sandbox: str
    """`NSML_SANDBOX`: `process`, the default, or `docker`."""

    image: str
    """`NSML_IMAGE`: of sessions whose code asks for none."""

    network: str
    """`NSML_SANDBOX_NETWORK`: the engine's network that containers join.

    `own`, the default: each session has one of its own; `none`: none has one.
    """

    networks: IPv4Network
    """`NSML_SANDBOX_NETWORKS`: the range that sessions' own networks are taken from."""

    address: str
    """`NSML_SANDBOX_ADDRESS`: of the container on that network; an engine settles it for gangs."""

    allows_root: bool
    """`NSML_SANDBOX_ROOT=yes`: whoever asks may be root in the container."""

    uid: int
    """`NSML_SANDBOX_UID`: who user code is where the runner is root; else it is the runner."""

    processes: int
    """`NSML_SANDBOX_PROCESSES`: processes and threads of one session."""

    scratch_bytes: int
    """`NSML_SANDBOX_TMP`: room in `/tmp`, which lies in the session's memory."""

    shm_bytes: int
    """`NSML_SANDBOX_SHM`: shared memory where `--shm` says nothing; it counts as memory."""

    disk_bytes: int
    """`NSML_SANDBOX_DISK`: room for what a session writes beside its code; 0: no limit."""

    registries: Path
    """`NSML_REGISTRIES`: credentials for private images, in a file that only its owner reads."""

    cache: Path
    """Notes about images; in `$NSML_HOME/cache`."""


def read(home: Path, environ: Mapping[str, str] = os.environ) -> Node:
    sandbox = environ.get("NSML_SANDBOX") or "process"
    if sandbox not in SANDBOXES:
        raise Invalid(f"NSML_SANDBOX is {sandbox!r}: set it to one of {', '.join(SANDBOXES)}.")
    return Node(
        sandbox=sandbox,
        image=environ.get("NSML_IMAGE") or "python:3.12-slim",
        network=environ.get("NSML_SANDBOX_NETWORK") or OWN,
        networks=_range(environ, "NSML_SANDBOX_NETWORKS", "10.251.0.0/16"),
        address=environ.get("NSML_SANDBOX_ADDRESS", ""),
        allows_root=environ.get("NSML_SANDBOX_ROOT", "") == "yes",
        uid=_number(environ, "NSML_SANDBOX_UID", 64000),
        processes=_number(environ, "NSML_SANDBOX_PROCESSES", 4096),
        scratch_bytes=size(environ, "NSML_SANDBOX_TMP", GIGABYTE),
        shm_bytes=size(environ, "NSML_SANDBOX_SHM", GIGABYTE),
        disk_bytes=size(environ, "NSML_SANDBOX_DISK", 0),
        registries=Path(environ.get("NSML_REGISTRIES") or home / "registries.json"),
        cache=home / "cache" / "images",
    )


def _number(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environ.get(name) or str(otherwise)
    if not text.isdecimal() or not int(text):
        raise Invalid(f"{name} is {text!r}: write a whole number above 0.")
    return int(text)


def _range(environ: Mapping[str, str], name: str, otherwise: str) -> IPv4Network:
    text = environ.get(name) or otherwise
    try:
        found = IPv4Network(text)
    except ValueError as error:
        raise Invalid(f"{name} is {text!r}: {error}.") from None
    if found.prefixlen > SUBNET:
        raise Invalid(f"{name} is {text!r}: one session's network is a /{SUBNET}, so write more.")
    return found
