"""Three machines in a Swarm, and the platform's own stack on them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.swarm import image, machines
from tests.swarm.image import ROOT
from tests.swarm.machines import Lab, Machine, Refused, until

_HEARTBEAT_NANOSECONDS = 1_000_000_000
_STACK = ROOT / "deploy/swarm/stack.yml"
ENDED = {"Exited", "Failed", "Stopped", "Lost"}
TRAINING = """
import pathlib, time
import nsml

done = 0

def save(folder):
    (pathlib.Path(folder) / "done").write_text(str(done))

def load(folder):
    global done
    done = int((pathlib.Path(folder) / "done").read_text())

nsml.bind(save=save, load=load)
nsml.paused()
print("from", done, flush=True)
while not pathlib.Path("go").exists():
    done += 1
    print("step", done, flush=True)
    if done % 5 == 0:
        nsml.save("latest")
    time.sleep(0.2)
print("done", done, flush=True)
"""
_RANK = re.compile(r"\[rank\d+\]: ")
_FROM = re.compile(r"from (\d+)")
MEETING = """
import os, socket, time

world, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
master = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    server = socket.create_server(("", master[1]))
    met = [server.accept()[0].recv(9).decode() for _ in range(world - 1)]
    print("met", *met, flush=True)
else:
    while True:
        try:
            socket.create_connection(master, 2).sendall(str(rank).encode())
            break
        except OSError:  # it does not listen yet
            time.sleep(0.2)
"""
"""The processes of a session over several nodes find each other before they train."""

SERVICES = ("identity", "dataset", "ledger", "session", "scheduler")


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
        typed = [str(Path(sys.executable).with_name("nsml")), *words]
        return self._typed(self.manager.command(*typed), folder)

    def _typed(self, words: list[str | Path], folder: Path = ROOT) -> str:
        done = subprocess.run(
            words,
            cwd=folder,
            env=self._environment(),
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
            "NSML_HEALTH_INTERVAL": "2s",
            "NSML_UPDATE_MONITOR": "2s",
            "NSML_RESOLVE_IMAGE": "never",
            "NSML_POSTGRES_UID": "65534",
            "NSML_POSTGRES_SSL": "off",  # the one that comes from wheels was built without
            "NSML_SERVER": f"{self.manager.address}:7400",
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

    def deploy(self) -> str:
        """Deploy the platform as an administrator does."""
        return self.nsml("up", "--swarm")

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

    def run(self, *words: str, before: str = "") -> "Session":
        """Run code that trains until it is told to end."""
        code = self.lab.place / "code"
        code.mkdir(exist_ok=True)
        (code / "main.py").write_text(before + TRAINING)
        said = self.nsml("run", *words, "-e", "main.py", folder=code)
        return Session(self, said.split()[1])


class Session:
    """A session that trains until it is told to end."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._cluster = cluster

    def show(self) -> Any:
        """What is known of it."""
        return self._cluster.json("show", self.name)

    def is_over(self) -> bool:
        return self.show()["status"] in ENDED

    def attempts(self) -> int:
        return len(self.show()["attempts"])

    def machine(self) -> Machine:
        """Where it runs; of a session over several nodes, its first process."""
        node = self.show()["attempts"][-1]["node"]
        return next(one for one in self._cluster.machines if one.name == node)

    def logs(self) -> list[str]:
        return self._cluster.nsml("logs", self.name).splitlines()

    def said(self) -> list[str]:
        """What its code has printed, whichever rank it was."""
        return [_RANK.sub("", line, count=1) for line in self.logs()]

    def step(self) -> int:
        """How far it says that it is."""
        steps = [int(line.split()[1]) for line in self.logs() if line.startswith("step")]
        return steps[-1] if steps else 0

    def begun(self, nodes: int = 1) -> "Session":
        """Wait until the code of its last attempt has spoken, on each of its nodes."""
        wanted = f"{self.name} does not begin"
        until(lambda: self._begun() == nodes * (self.attempts() or 1), wanted)
        return self

    def _begun(self) -> int:
        return len(self.froms())

    def froms(self) -> list[int]:
        """How far its code was at each of its starts, on any node."""
        return [int(found[1]) for found in map(_FROM.fullmatch, self.said()) if found]

    def saved(self) -> None:
        """Wait for a checkpoint."""
        until(lambda: self.show()["checkpoints"], f"{self.name} saves nothing")

    def finish(self) -> None:
        """Tell its code to end, by a file that it looks for, and wait for the end."""
        work = f"home/work/{self.name}/{self.attempts()}/code"
        for machine in self._cluster.machines:
            folder = machine.home.parent / work
            if folder.is_dir():
                (folder / "go").touch()
        until(self.is_over, f"{self.name} does not end")


@contextmanager
def running(cache: Path) -> Iterator[Cluster]:
    """The platform on three machines, for as long as the block runs."""
    with machines.running(3) as lab:
        first, *others = lab.machines
        image.build(first, cache, lab.place / "image")
        image.copy(first, others, lab.place / "images.tar")
        cluster = Cluster(lab)
        cluster.join()
        cluster.deploy()
        until(lambda: len(cluster.nodes()) == len(lab.machines), "the nodes do not join")
        yield cluster
