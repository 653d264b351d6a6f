"""Options of `nsml run` for a session's container."""

from collections.abc import Callable
from typing import Any

import click

from nsml_client import names
from nsml_protos.session_pb2 import RunRequest

_OPTIONS = (
    click.option(
        "--image",
        metavar="IMAGE",
        default="",
        help="Of its container; else the code says, or the node.",
    ),
    click.option(
        "--registry",
        metavar="NAME",
        default="",
        help="The credential for a private image, which the node keeps.",
    ),
    click.option("--no-network", is_flag=True, help="Its container has none."),
    click.option("--root", is_flag=True, help="Be root in it, where a node allows that."),
    click.option(
        "--shm",
        "--shm-size",
        "shm_size",
        metavar="SIZE",
        default="",
        help="Shared memory in it, such as 1G.",
    ),
    click.option("--disk", metavar="SIZE", default="", help="Room for what it writes."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def ask(request: RunRequest, given: dict[str, Any]) -> None:
    """Put what was typed into a request."""
    request.image = given["image"]
    request.registry = given["registry"]
    request.no_network = given["no_network"]
    request.root = given["root"]
    request.shm_bytes = names.memory(given["shm_size"]) if given["shm_size"] else 0
    request.disk_bytes = names.memory(given["disk"]) if given["disk"] else 0
