"""`nsml up --swarm`: the stacks on a Docker Swarm, with labels and secrets, until all serves."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions

from nsml_core.errors import Refused, Unavailable
from nsml_core.settings import SERVICES
from nsml_swarm import labels, secrets
from nsml_swarm.converged import State, state
from nsml_swarm.labels import Half
from nsml_swarm.secrets import Secrets

HOME = "/var/lib/nsml"
WEB_PORT = 7480

_READY_SECONDS = 300.0
_POLL_SECONDS = 0.5
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
    """Deploy the stacks, or bring what is deployed to this version; return when all serves."""
    home = Path(environ.get("NSML_HOME") or HOME)
    try:
        api: Any = docker.from_env(environment=dict(environ)).api
        _check_is_manager(api)
        for said in labels.complete(api):
            progress(said)
        halves = labels.halves(api.nodes(), shares_blobs=bool(environ.get("NSML_BLOBS_URL")))
        web = environ.get("NSML_WEB_ORIGIN") or f"https://{halves[0].host}:{WEB_PORT}"
        known = Secrets(api, home / "pki", secrets.hosts(urlsplit(web).hostname or halves[0].host))
        for name in known.complete(postgres_ssl=environ.get("NSML_POSTGRES_SSL", "on") == "on"):
            progress(f"Made the secret {name}")
        blobs = environ.get("NSML_BLOBS_URL") or f"file://{home}/blobs"
        told = {"NSML_HOME": str(home), "NSML_WEB_ORIGIN": web, "NSML_BLOBS_URL": blobs}
        for parts in known.due(datetime.now(UTC)) or [[]]:
            for name in (name for part in parts for name in known.certify(part)):
                progress(f"Renewed a certificate: made the secret {name}")
            _roll(api, {**environ, **told, **known.versions()}, halves, progress)
    except docker.errors.APIError as error:
        raise Refused(f"The Docker Engine refuses: {error.explanation or error}") from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Unavailable(f"No Docker Engine answers here: {error}") from None
    server = ",".join(half.server for half in halves)
    return Deployed(server, web, home / "pki" / "ca.pem", home)


def _check_is_manager(api: Any) -> None:
    told = api.info()["Swarm"]
    if told["LocalNodeState"] != "active":
        raise Refused(
            "This machine is in no Swarm: `docker swarm init` makes one, and shows what to type on "
            "the others."
        )
    if not told["ControlAvailable"]:
        raise Refused("This machine is no manager of its Swarm: go to one that is.")


def _roll(api: Any, environ: Mapping[str, str], halves: Sequence[Half], progress: Progress) -> None:
    """Deploy what there is one of, then each half of the services while the other one serves."""
    for stack, file, words in _stacks(halves):
        _deploy(stack, file, {**environ, **words})
        _wait(api, stack, progress)


def _stacks(halves: Sequence[Half]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the stacks by name, each with its file, and what is filled in there."""
    yield _STACK, "stack.yml", {}
    for number, half in enumerate(halves, start=1):
        ports = {f"NSML_PORT_{at}": str(half.port + at) for at in range(len(SERVICES))}
        yield f"{_STACK}-{number}", "services.yml", {"NSML_SERVICES": half.label, **ports}


def _deploy(stack: str, file: str, environ: Mapping[str, str]) -> None:
    """Let Docker's own command read a stack: nobody else knows all that may stand in one."""
    with as_file(files("nsml_swarm")) as folder:
        conf = hashlib.sha256((folder / "nats.conf").read_bytes()).hexdigest()[:8]
        words = ["docker", "stack", "deploy", "--compose-file", str(folder / file)]
        words += ["--resolve-image", environ.get("NSML_RESOLVE_IMAGE") or "always", "--prune"]
        made = subprocess.run(
            [*words, stack],
            env={**environ, "NSML_NATS_CONF": conf},
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode != 0:
        last = (made.stderr or made.stdout).strip().splitlines()[-1:]
        raise Refused(f"Docker does not take the stack: {' '.join(last)}")


def _wait(api: Any, stack: str, progress: Progress) -> None:
    """Return when every service is what was deployed; say which is not, and why."""
    deadline = time.monotonic() + _READY_SECONDS
    of_stack = {"label": f"com.docker.stack.namespace={stack}"}
    missing: set[str] = set()
    while True:
        services, tasks = api.services(filters=of_stack), api.tasks(filters=of_stack)
        ready = set()
        for service in services:
            own = [task for task in tasks if task["ServiceID"] == service["ID"]]
            match state(service, own):
                case State.READY:
                    ready.add(service["Spec"]["Name"])
                case State.WENT_BACK:
                    raise Unavailable(_complaint(api, service, "went back to what was before"))
                case State.ON_ITS_WAY:
                    pass
        for name in sorted(missing & ready):
            progress(f"{name} is ready")
        missing = {service["Spec"]["Name"] for service in services} - ready
        if not missing:
            return
        if time.monotonic() > deadline:
            (slow, *_) = [one for one in services if one["Spec"]["Name"] in missing]
            raise Unavailable(_complaint(api, slow, f"is not ready after {_READY_SECONDS:.0f} s"))
        time.sleep(_POLL_SECONDS)


def _complaint(api: Any, service: Mapping[str, Any], what: str) -> str:
    name = service["Spec"]["Name"]
    tasks = sorted(api.tasks(filters={"service": name}), key=lambda task: task["CreatedAt"])
    said = [task["Status"].get("Err") or task["Status"]["Message"] for task in tasks]
    why = said[-1] if said else "it has no task"
    return (
        f"{name} {what} ({why}): `docker service ps --no-trunc {name}` and `docker service logs "
        f"{name}` tell more."
    )
