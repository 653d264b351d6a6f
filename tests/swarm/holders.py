"""Watches from outside who holds which device: what the engines of the machines themselves say."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import docker
import docker.errors
import requests.exceptions

from tests.swarm.machines import Machine
from tests.swarm.repeated import Repeated

_PAUSE_SECONDS = 0.3
_AWAY = (docker.errors.DockerException, requests.exceptions.RequestException)


class Holders(Repeated):
    """Looks at every machine."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        super().__init__(self._watch, _PAUSE_SECONDS)
        self._machines = machines
        self.conflicts: list[str] = []
        self.looks = 0

    def _watch(self) -> None:
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
