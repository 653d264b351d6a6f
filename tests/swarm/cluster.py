"""Three machines in a Swarm, and the platform's own stack on them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nsml_swarm import labels
from tests.swarm import image, machines
from tests.swarm.image import ROOT
from tests.swarm.machines import Lab, Machine, Refused, until
from tests.swarm.training import ENDED, TRAINING, Session

_HEARTBEAT_NANOSECONDS = 1_000_000_000


class Cluster:
    """What a test sees of it; the first machine is the manager and has the services."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.machines = lab.machines
        self.manager = lab.machines[0]

    @property
    def api(self) -> Any:
        """The engine of the manager."""
        return self.manager.api

    def join(self) -> None:
        """Make one Swarm of the machines."""
        first = f"{self.manager.address}:2377"
        self.api.init_swarm(
            advertise_addr=self.manager.address,
            listen_addr=first,
            default_addr_pool=["10.78.0.0/16"],
            subnet_size=24,
            swarm_spec=self.api.create_swarm_spec(
                dispatcher_heartbeat_period=_HEARTBEAT_NANOSECONDS
            ),
        )
        token = self.api.inspect_swarm()["JoinTokens"]["Worker"]
        for machine in self.machines[1:]:
            machine.api.join_swarm(
                [first],
                token,
                advertise_addr=machine.address,
                listen_addr=f"{machine.address}:2377",
            )
        for machine in self.machines:
            has = {"nsml.gpus": "0" if machine is self.manager else "1", "nsml.cpus": "4"}
            self.label(machine, {"nsml.node": machine.name, "nsml.log": str(machine.number), **has})
        self.label(self.manager, {"nsml.services": "yes"})

    def label(self, machine: Machine, labels: dict[str, str]) -> None:
        """Give a machine more labels."""
        node = self.node(machine)
        spec = node["Spec"]
        spec["Labels"] = {**spec.get("Labels", {}), **labels}
        self.api.update_node(node["ID"], node["Version"]["Index"], spec)

    def node(self, machine: Machine) -> Any:
        """What the Swarm says of a machine."""
        found = [n for n in self.api.nodes() if n["Description"]["Hostname"] == machine.name]
        return found[0]

    def docker(self, *words: str | Path) -> str:
        """Type a docker command at the manager."""
        return self._typed(["docker", *words])

    def nsml(self, *words: str | Path, folder: Path = ROOT) -> str:
        """Type an nsml command at the manager."""
        return self._nsml(words, folder)

    def _nsml(
        self,
        words: Sequence[str | Path],
        folder: Path = ROOT,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        typed = [str(Path(sys.executable).with_name("nsml")), *words]
        return self._typed(self.manager.command(*typed), folder, settings)

    def _typed(
        self,
        words: list[str | Path],
        folder: Path = ROOT,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**self._environment(), **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        home = self.lab.place / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.lab.place),
            "DOCKER_HOST": self.manager.host,
            "NSML_HOME": str(home),
            "NSML_TOKEN": self._token(),
            "NSML_SWARM_IMAGE": image.PLATFORM,
            "NSML_NATS_IMAGE": image.PLATFORM,
            "NSML_POSTGRES_IMAGE": image.POSTGRES,
            "NSML_IMAGE": image.USER_CODE,
            "NSML_SWARM_SOCKET": f"{self.lab.place}/run/docker.sock",
            "NSML_UPDATE_MONITOR": "2s",
            "NSML_RESOLVE_IMAGE": "never",
            "NSML_POSTGRES_UID": "65534",
            "NSML_SERVER": ",".join(f"{self.manager.address}:{port}" for port in labels.PORTS),
            "NSML_TLS_CA": f"{home}/pki/ca.pem",
            "NSML_TLS_NAME": "nsml",
        }

    def _token(self) -> str:
        file = self.manager.home / "token"
        return file.read_text() if file.exists() else ""

    def page(self, address: str) -> str:
        """Fetch a page as somebody who trusts the platform's CA."""
        code = (
            "import ssl, sys, urllib.request as web; "
            "trust = ssl.create_default_context(cafile=sys.argv[2]); "
            "print(web.urlopen(sys.argv[1], context=trust).read().decode())"
        )
        ca = self._environment()["NSML_TLS_CA"]
        return self._typed(self.manager.command(sys.executable, "-c", code, address, ca))

    def deploy(self, **settings: str) -> str:
        """Deploy the platform as an administrator does."""
        return self._nsml(["up", "--swarm"], settings=settings)

    def kill(self, service: str) -> None:
        """Kill the process of a service, by its name in the Swarm, where it runs now."""
        of = {"label": f"com.docker.swarm.service.name={service}"}
        for container in self.api.containers(filters=of):
            self.api.kill(container["Id"])

    def services(self) -> list[Any]:
        """What the Swarm says of the platform's services, each of which is there twice."""
        names = {"label": "com.docker.stack.namespace"}
        found = self.api.services(filters=names, status=True)
        return [one for one in found if one["Spec"]["Name"].startswith(("nsml-1_", "nsml-2_"))]

    def is_whole(self) -> bool:
        """Whether all of them run."""
        counts = [one["ServiceStatus"] for one in self.services()]
        return all(one["RunningTasks"] == one["DesiredTasks"] for one in counts)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes that have joined the platform, by name."""
        return {node["name"]: node for node in self.json("node", "ls")}

    def jobs(self) -> list[str]:
        """The names of the jobs that the scheduler has given the Swarm."""
        return [one["Spec"]["Name"] for one in self.api.services(filters={"label": "nsml.job"})]

    def networks(self) -> list[str]:
        """The networks of sessions over several nodes."""
        return [one["Name"] for one in self.api.networks(filters={"label": "nsml.job=gang"})]

    def clear(self) -> None:
        """Mend what a test has broken, and end what it has left running."""
        for machine in self.machines:
            machine.reconnect()
        until(lambda: all(one["state"] == "ready" for one in self.json("node", "ls")), "no peace")
        live = [one["name"] for one in self.json("ps", "-a") if one["status"] not in ENDED]
        if live:
            self.nsml("stop", *live)
        until(lambda: all(Session(self, one).is_over() for one in live), "sessions do not end")

    def json(self, *words: str | Path) -> Any:
        """Type an nsml command, and read what it prints."""
        return json.loads(self.nsml(*words, "--json"))

    def run(self, *words: str, before: str = "") -> Session:
        """Run code that trains until it is told to end."""
        code = self.lab.place / "code"
        code.mkdir(exist_ok=True)
        (code / "main.py").write_text(before + TRAINING)
        said = self.nsml("run", *words, "-e", "main.py", folder=code)
        return Session(self, said.split()[1])


@contextmanager
def running(cache: Path) -> Iterator[Cluster]:
    """The platform on three machines, for as long as the block runs."""
    with machines.running() as lab:
        first = lab.add()
        image.build(first, cache, lab.place)
        for _ in range(2):
            lab.add(partial(image.share, first))
        cluster = Cluster(lab)
        cluster.join()
        cluster.deploy()
        until(lambda: len(cluster.nodes()) == len(lab.machines), "the nodes do not join")
        yield cluster
