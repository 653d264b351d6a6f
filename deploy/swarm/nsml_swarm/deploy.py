"""`nsml up --swarm`: the stack on a Docker Swarm, with labels and secrets, until all serves."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions

from nsml_core.errors import Refused, Unavailable
from nsml_swarm import labels, secrets

HOME = "/var/lib/nsml"
PORT = 7400
"""The first of the row of ports."""

WEB_PORT = 7480

_READY_SECONDS = 300.0
_POLL_SECONDS = 1.0
_STACK = "nsml"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Deployed:
    """Where a platform on a Swarm is found, and how it is known."""

    server: str
    web: str
    ca: Path
    home: Path
    """The state folder; the first user's token is in that of the node with the services."""


def up(progress: Progress, environ: Mapping[str, str] = os.environ) -> Deployed:
    """Deploy the stack, or bring what is deployed to this version; return when all of it serves."""
    home = Path(environ.get("NSML_HOME") or HOME)
    try:
        api: Any = docker.from_env(environment=dict(environ)).api
        _check_is_manager(api)
        for said in labels.complete(api):
            progress(said)
        at = labels.address_of_services(api)
        web = environ.get("NSML_WEB_ORIGIN") or f"https://{at}:{WEB_PORT}"
        pki, has_ssl = home / "pki", environ.get("NSML_POSTGRES_SSL", "on") == "on"
        for name in secrets.complete(api, pki, urlsplit(web).hostname or at, postgres_ssl=has_ssl):
            progress(f"Made the secret {name}")
        _deploy({**environ, "NSML_HOME": str(home), "NSML_WEB_ORIGIN": web})
        _wait(api, progress)
    except docker.errors.APIError as error:
        raise Refused(f"The Docker Engine refuses: {error.explanation or error}") from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Unavailable(f"No Docker Engine answers here: {error}") from None
    return Deployed(f"{at}:{PORT}", web, pki / "ca.pem", home)


def _check_is_manager(api: Any) -> None:
    told = api.info()["Swarm"]
    if told["LocalNodeState"] != "active":
        raise Refused(
            "This machine is in no Swarm: `docker swarm init` makes one, and shows what to type on "
            "the others."
        )
    if not told["ControlAvailable"]:
        raise Refused("This machine is no manager of its Swarm: go to one that is.")


def _deploy(environ: Mapping[str, str]) -> None:
    """Let Docker's own command read the stack: nobody else knows all that may stand in one."""
    with as_file(files("nsml_swarm")) as folder:
        conf = hashlib.sha256((folder / "nats.conf").read_bytes()).hexdigest()[:8]
        words = ["docker", "stack", "deploy", "--compose-file", str(folder / "stack.yml")]
        words += ["--resolve-image", environ.get("NSML_RESOLVE_IMAGE") or "always", "--prune"]
        made = subprocess.run(
            [*words, _STACK],
            env={**environ, "NSML_NATS_CONF": conf},
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode != 0:
        last = (made.stderr or made.stdout).strip().splitlines()[-1:]
        raise Refused(f"Docker does not take the stack: {' '.join(last)}")


def _wait(api: Any, progress: Progress) -> None:
    """Return when every service runs as often as it should; say which does not, and why."""
    deadline = time.monotonic() + _READY_SECONDS
    ready: set[str] = set()
    while True:
        services = api.services(
            filters={"label": f"com.docker.stack.namespace={_STACK}"}, status=True
        )
        for service in services:
            name, counts = (
                service["Spec"]["Name"].removeprefix(f"{_STACK}_"),
                service["ServiceStatus"],
            )
            if name not in ready and 0 < counts["DesiredTasks"] <= counts["RunningTasks"]:
                ready.add(name)
                progress(f"{name} is ready")
        missing = [
            one for one in services if one["Spec"]["Name"].removeprefix(f"{_STACK}_") not in ready
        ]
        if not missing:
            return
        if time.monotonic() > deadline:
            raise Unavailable(_complaint(api, missing[0]))
        time.sleep(_POLL_SECONDS)


def _complaint(api: Any, service: Mapping[str, Any]) -> str:
    name = service["Spec"]["Name"]
    tasks = sorted(api.tasks(filters={"service": name}), key=lambda task: task["CreatedAt"])
    said = [task["Status"].get("Err") or task["Status"]["Message"] for task in tasks]
    why = said[-1] if said else "it has no task"
    return (
        f"{name} is not ready after {_READY_SECONDS:.0f} s ({why}): `docker service ps --no-trunc "
        f"{name}` and `docker service logs {name}` tell more."
    )
