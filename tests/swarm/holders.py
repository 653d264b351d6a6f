"""Watches from outside who holds which device: what the engines of the machines themselves say."""

import threading
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
import requests.exceptions

from tests.swarm.machines import Machine

_PAUSE_SECONDS = 0.3
_AWAY = (docker.errors.DockerException, requests.exceptions.RequestException)


class Holders:
    """Looks at every machine again and again, in a thread of its own."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.conflicts: list[str] = []
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        is_last = False
        while not is_last:  # the last look is at what the test has left, however short it was
            is_last = self._stop.wait(_PAUSE_SECONDS)
            for machine in filter(Machine.answers, self._machines):
                try:
                    self._look(machine)
                except _AWAY:
                    continue  # it was killed, or a container has just ended

    def _look(self, machine: Machine) -> None:
        api: Any = docker.APIClient(machine.host, timeout=10)
        try:
            held: defaultdict[str, list[str]] = defaultdict(list)
            for each in api.containers(filters={"label": "nsml.session"}):
                labels = each["Labels"]
                who = f"{labels['nsml.session']}#{labels['nsml.attempt']}"
                host = api.inspect_container(each["Id"])["HostConfig"]
                for request in host["DeviceRequests"] or ():
                    for device in request["DeviceIDs"]:
                        held[device].append(who)
        finally:
            api.close()
        self.looks += 1
        for device, by in held.items():
            if len(by) > 1:
                self.conflicts.append(f"GPU {device} of {machine.name}: {', '.join(by)}")
