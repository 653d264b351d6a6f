"""A session on the machines, whose code trains until it is told to end."""

import re
from typing import TYPE_CHECKING, Any

from tests.swarm.machines import Machine, until

if TYPE_CHECKING:
    from tests.swarm.cluster import Cluster

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


class Session:
    """A session that trains until it is told to end."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
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
