"""The Docker Engine of this node, as far as it is needed here; nothing else speaks to it."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions

from nsml_core.errors import Error, NotFound, Refused, Unavailable
from nsml_runner.box import Box, asked
from nsml_runner.bridge import MTU, Found, told_of
from nsml_runner.sandbox import Use
from nsml_runner.streams import frames, plain

CALL_SECONDS = 60.0
RETRY_SECONDS = 0.5
LOOK_SECONDS = 0.05
_NO_GPUS = (
    "the Docker Engine of this node has no NVIDIA runtime: install the NVIDIA Container Toolkit"
)
SIGNALLED = 128
"""Added to a signal's number where that ended the main process, as shells and Docker do."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    """The exit code, or the negative number of the signal."""

    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what the engine says into the platform's errors."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise NotFound(_sentence(error)) from None
    except docker.errors.APIError as error:
        raise Refused(_sentence(error)) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        why = str(error).splitlines()[0][:300]
        raise Unavailable(f"The Docker Engine of this node does not answer: {why}") from None


def _sentence(error: docker.errors.APIError) -> str:
    text = str(error.explanation or error).strip()
    return (text.splitlines() or ["it does not say why"])[0][:500]


class Engine:
    """The engine that `DOCKER_HOST` names, or the one of this machine."""

    def __init__(self) -> None:
        with told():
            self._api: Any = docker.from_env(timeout=CALL_SECONDS).api

    def close(self) -> None:
        self._api.close()

    # ------------------------------------------------------------------------------ images

    def image(self, name: str) -> str | None:
        """Return the id of an image that is on this node."""
        with contextlib.suppress(NotFound), told():
            return str(self._api.inspect_image(name)["Id"])
        return None

    def pull(self, name: str, credential: Credential | None, log: Callable[[str], None]) -> None:
        auth = None
        if credential is not None:
            auth = {"username": credential.username, "password": credential.password}
        repository, tag = docker.utils.parse_repository_tag(name)
        with told():
            for line in self._api.pull(
                repository, tag or "latest", stream=True, decode=True, auth_config=auth
            ):
                if "error" in line:
                    raise Refused(str(line["error"]).splitlines()[0])
                if "progress" not in line:
                    log(f"{line.get('id', '')} {line.get('status', '')}".strip())

    def build(self, folder: Path, tag: str, network: str, log: Callable[[str], None]) -> None:
        """Build a folder that holds a Dockerfile; raise Refused with what was said last."""
        with told():
            for line in self._api.build(
                path=str(folder),
                tag=tag,
                decode=True,
                rm=True,
                forcerm=True,
                network_mode=network,
            ):
                if "error" in line:
                    raise Refused(str(line["error"]).strip())
                log(str(line.get("stream", "")))

    def tag(self, image: str, name: str) -> None:
        with told():
            self._api.tag(image, *name.split(":"))

    def untag(self, name: str) -> None:
        with told():  # the image has others
            self._api.remove_image(name, noprune=True)

    def commit(self, container: str, name: str) -> str:
        repository, _, tag = name.partition(":")
        with told():
            return str(self._api.commit(container, repository=repository, tag=tag)["Id"])

    # ------------------------------------------------------------------------------ containers

    def create(self, box: Box, argv: Sequence[str], cwd: str) -> str:
        """Create a container; what an engine cannot hold by a quota, its maker looks at."""
        try:
            with told():
                return str(self._api.create_container_from_config(asked(box, argv, cwd))["Id"])
        except Refused as error:
            if box.disk_bytes and "storage-opt" in error.sentence:
                return self.create(replace(box, disk_bytes=0), argv, cwd)
            raise

    def written(self, container: str) -> int:
        """Return how much it has written to its root."""
        with told():
            found = self._api.containers(all=True, size=True, filters={"id": container})
        return int(found[0].get("SizeRw", 0)) if found else 0

    def attach(self, container: str) -> socket.socket:
        """Return where its output comes from, in frames that say of which stream they are."""
        with told():
            return plain(
                self._api.attach_socket(container, {"stdout": 1, "stderr": 1, "stream": 1})
            )

    def start(self, container: str) -> int:
        """Return the number of its first process; 0 where it has ended already."""
        with told():
            try:
                self._api.start(container)
            except docker.errors.APIError as error:
                if "device driver" in str(error.explanation):
                    raise Refused(_NO_GPUS) from None
                raise
            return int(self._api.inspect_container(container)["State"]["Pid"])

    def wait(self, container: str) -> Ended:
        """Wait for its end, also through a restart of the engine."""
        while True:
            try:
                with told():
                    self._api.wait(container, timeout=None)
                    state = self._api.inspect_container(container)["State"]
            except NotFound:
                return Ended(-9, out_of_memory=False)
            except Error:
                time.sleep(RETRY_SECONDS)
                continue
            if state["Running"]:
                continue
            code = int(state["ExitCode"])
            signalled = SIGNALLED < code <= SIGNALLED + 64
            return Ended(SIGNALLED - code if signalled else code, bool(state["OOMKilled"]))

    def signal(self, container: str, number: int) -> None:
        """Do nothing where it has ended."""
        with told():
            try:
                self._api.kill(container, number)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:
                    raise

    def remove(self, container: str) -> None:
        """End all that runs in it, and take it away; return when the engine says so."""
        while self._is_there(container):
            time.sleep(RETRY_SECONDS)

    def _is_there(self, container: str) -> bool:
        try:
            with told():
                self._api.remove_container(container, force=True, v=True)
        except NotFound:
            return False
        except Error:
            return True  # it is away, or at it already
        return False

    def find(self, labels: Mapping[str, str]) -> list[str]:
        """Return the containers that have all these labels; one without a value may have any."""
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        with told():
            found = self._api.containers(all=True, filters={"label": wanted})
        return [str(each["Id"]) for each in found]

    def measure(self, container: str) -> Use:
        with told():
            stats = self._api.stats(container, stream=False, one_shot=True)
        memory = stats["memory_stats"]
        details = memory.get("stats", {})
        # What was read from files is given back when it is needed.
        files = details.get("total_inactive_file", details.get("inactive_file", 0))
        spent = stats["cpu_stats"]["cpu_usage"]["total_usage"]
        return Use(spent / 1e9, max(int(memory.get("usage", 0)) - int(files), 0))

    # ------------------------------------------------------------------------------ networks

    def networks(self) -> list[Found]:
        with told():
            return [told_of(one) for one in self._api.networks()]

    def make_network(
        self, name: str, subnet: IPv4Network, labels: Mapping[str, str], mtu: str
    ) -> bool:
        """Return whether there is one now; not where something else has that subnet."""
        pool = docker.types.IPAMPool(subnet=str(subnet))
        try:
            with told():
                self._api.create_network(
                    name,
                    driver="bridge",
                    ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                    labels=dict(labels),
                    options={MTU: mtu} if mtu else {},
                )
        except Refused as error:
            if "overlaps" in error.sentence:
                return False
            raise
        return True

    def remove_network(self, network: str) -> bool:
        """Return whether it is gone; not while a container is in it."""
        with told():
            try:
                self._api.remove_network(network)
            except docker.errors.APIError as error:
                if error.status_code not in {403, 404, 409}:
                    raise
                return bool(error.status_code == HTTPStatus.NOT_FOUND)
        return True

    # ------------------------------------------------------------------------------ programs in one

    def run(
        self,
        container: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        log: Callable[[bytes], None],
    ) -> int:
        """Run a program in a container and return its exit code; its variables are not kept."""
        with told():
            made = self._api.exec_create(
                container, list(argv), environment=dict(env), workdir=cwd, user="0:0"
            )["Id"]
            stream = plain(self._api.exec_start(made, socket=True))
        with stream:
            for _, piece in frames(stream):
                log(piece)
        while (code := self.how_it_runs(made)[1]) is None:  # it has said all, and not ended yet
            time.sleep(LOOK_SECONDS)
        return code

    def start_beside(
        self, container: str, argv: Sequence[str], env: Mapping[str, str], cwd: str, *, tty: bool
    ) -> tuple[str, socket.socket]:
        with told():
            made = self._api.exec_create(
                container, list(argv), environment=dict(env), workdir=cwd, stdin=True, tty=tty
            )["Id"]
            return str(made), plain(self._api.exec_start(made, tty=tty, socket=True))

    def resize(self, program: str, rows: int, columns: int) -> None:
        with told():
            self._api.exec_resize(program, height=rows, width=columns)

    def how_it_runs(self, program: str) -> tuple[int, int | None]:
        """Return the number of a program's process on this node, and its exit code if it has."""
        with told():
            found = self._api.exec_inspect(program)
        # One that the engine has yet to start does not run, and has no code either.
        code = None if found["Running"] or found["ExitCode"] is None else int(found["ExitCode"])
        return int(found["Pid"]), code
