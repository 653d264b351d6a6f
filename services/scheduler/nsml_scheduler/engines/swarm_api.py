"""A Docker Swarm, asked through the engine of a manager; nothing else here speaks to it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import docker
import docker.errors
import requests.exceptions

from nsml_core.errors import Unavailable
from nsml_scheduler.engines import swarm_networks
from nsml_scheduler.engines.swarm_jobs import KIND, PLATFORM, Job, Terms, asked
from nsml_scheduler.engines.swarm_networks import GangNetwork

Answer = TypeVar("Answer")

CALL_SECONDS = 30.0
_OVER = {"complete", "failed", "rejected", "shutdown", "remove"}
"""The states of a task that its own node has told; a node that is not heard changes none."""

_CONFLICT = 409
_NOT_FOUND = 404
_FORBIDDEN = 403


@dataclass(frozen=True)
class Member:
    """A node of the Swarm."""

    id: str
    hostname: str
    address: str
    is_ready: bool
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """A job that the Swarm knows, and how far it is."""

    id: str
    name: str
    kind: str
    state: str
    """Of its task, in the Swarm's words; none: it has not begun."""

    said: str
    """Why it failed."""

    @property
    def is_over(self) -> bool:
        return self.state in _OVER

    @property
    def is_complete(self) -> bool:
        return self.state == "complete"


class Swarm:
    """Calls block, so each is made in a thread."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._api: Any = docker.from_env(timeout=CALL_SECONDS).api
        self._making = asyncio.Lock()
        self._ours = f"{PLATFORM}={terms.network}"

    async def call(self, ask: Callable[[], Answer]) -> Answer:
        """Make a call, and turn what it says into the platform's errors."""
        try:
            return await asyncio.to_thread(ask)
        except docker.errors.APIError as error:
            raise Unavailable(f"The Swarm refuses: {error.explanation or error}") from None
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            why = str(error).splitlines()[0][:300]
            raise Unavailable(f"The Swarm's manager does not answer: {why}") from None

    async def members(self) -> list[Member]:
        """Return its nodes."""
        return [_member(node) for node in await self.call(self._api.nodes)]

    async def jobs(self) -> dict[str, Known]:
        """Return the jobs of ours that it knows, by name."""
        services, tasks = await self.call(self._jobs)
        of = {task["ServiceID"]: task for task in sorted(tasks, key=lambda task: task["CreatedAt"])}
        known = (_known(service, of.get(service["ID"])) for service in services)
        return {job.name: job for job in known}

    def _jobs(self) -> tuple[list[Any], list[Any]]:
        ours = {"label": [KIND, self._ours]}
        return self._api.services(filters=ours), self._api.tasks(filters=ours)

    async def begin(self, job: Job) -> None:
        """Have a job done; one of that name that is known already is not begun again."""
        await self.call(lambda: self._begin(job))

    def _begin(self, job: Job) -> None:
        secrets = {job.name: self._ticket(job), **self._shared()} if job.secret else {}
        request = asked(job, self._terms, secrets)
        api = self._api
        try:
            api._raise_for_status(api._post_json(api._url("/services/create"), data=request))  # noqa: SLF001 - its own words for a service leave no room for a job's
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise

    def _shared(self) -> dict[str, str]:
        """Return the ids of the secrets that all runners see, by name."""
        wanted = self._terms.secrets
        known = {one["Spec"]["Name"]: str(one["ID"]) for one in self._api.secrets()}
        missing = [name for name in wanted if name not in known]
        if missing:
            raise Unavailable(f"The Swarm lacks the secret {missing[0]} of NSML_SWARM_SECRETS.")
        return {name: known[name] for name in wanted}

    def _ticket(self, job: Job) -> str:
        """Return the id of the secret of a job, which the first to begin it has made."""
        try:
            made = self._api.create_secret(
                job.name, job.secret, labels=self._terms.labels(job.kind)
            )
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
            (made,) = self._api.secrets(filters={"name": job.name})
        return str(made["ID"])

    async def forget(self, job: Known) -> None:
        """Take a job away, and with it its secret; what runs of it is told to end."""
        await self.call(lambda: self._forget(job))

    def _forget(self, job: Known) -> None:
        try:
            self._api.remove_service(job.id)
            for secret in self._api.secrets(filters={"name": job.name}):
                self._api.remove_secret(secret["ID"])
        except docker.errors.APIError as error:
            if error.status_code != _NOT_FOUND:
                raise

    async def network(self, name: str) -> GangNetwork:
        """Return the network of a gang; it is made for the first of its members."""
        async with self._making:
            return await self.call(lambda: self._network(name))

    def _network(self, name: str) -> GangNetwork:
        taken = self._networks()
        if name in taken:
            return taken[name]
        subnet = swarm_networks.free(self._terms.gangs, taken.values())
        ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=str(subnet))])
        made = self._api.create_network(
            name, driver="overlay", ipam=ipam, labels=self._terms.labels("gang"), attachable=True
        )
        return GangNetwork(made["Id"], name, subnet)

    async def networks(self) -> dict[str, GangNetwork]:
        """Return the networks of gangs, by name."""
        return await self.call(self._networks)

    def _networks(self) -> dict[str, GangNetwork]:
        return swarm_networks.known(
            self._api.networks(filters={"label": [f"{KIND}=gang", self._ours]})
        )

    async def dissolve(self, network: GangNetwork) -> None:
        """Take a network away, unless somebody is still in it."""
        await self.call(lambda: self._dissolve(network))

    def _dissolve(self, network: GangNetwork) -> None:
        try:
            self._api.remove_network(network.id)
        except docker.errors.APIError as error:
            if error.status_code not in {_FORBIDDEN, _NOT_FOUND, _CONFLICT}:
                raise

    async def output(self, job: Known) -> str:
        """Return what a job printed."""
        return await self.call(lambda: self._output(job))

    def _output(self, job: Known) -> str:
        pieces = self._api.service_logs(job.id, stdout=True, stderr=False)
        return b"".join(pieces).decode(errors="replace")

    async def close(self) -> None:
        """Hang up."""
        await self.call(self._api.close)


def _member(node: Mapping[str, Any]) -> Member:
    return Member(
        id=node["ID"],
        hostname=node["Description"]["Hostname"],
        address=node["Status"].get("Addr", ""),
        is_ready=node["Status"]["State"] == "ready",
        labels=node["Spec"].get("Labels") or {},
    )


def _known(service: Mapping[str, Any], task: Mapping[str, Any] | None) -> Known:
    spec, status = service["Spec"], (task or {}).get("Status", {})
    return Known(
        id=service["ID"],
        name=spec["Name"],
        kind=spec["Labels"][KIND],
        state=status.get("State", ""),
        said=status.get("Err", ""),
    )


def now() -> float:
    """Return a time that only moves forward."""
    return time.monotonic()
