"""Machines on one machine: each is a set of namespaces with a Docker Engine of its own.

What a machine is made of (network, mounts, processes, name) lies in namespaces whose first process
is ours: with that process all of a machine is gone, as at a power cut, and nothing of this host's
network or mounts was ever changed. The switch between them lies in a network namespace too.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker

from tests.docker import daemon
from tests.swarm import folders
from tests.swarm.folders import Unavailable

PROGRAMS = ("dockerd", "debootstrap", "ip", "iptables", "nsenter", "unshare", "setpriv")
_NETWORK = "10.77.0"
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
# It takes in what its dead leave behind, as the first process of a machine does.
_FIRST_PROCESS = "while :; do sleep 1 & wait; done"


class Refused(AssertionError):
    """A command did not do what was typed: while machines are away, it may be typed again."""


def until(condition: Callable[[], object], what: str, seconds: float = 300.0) -> None:
    """Wait for a condition; so long only a machine takes that has much else to do."""
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        try:
            if condition():
                return
        except Refused as refused:
            said = f" ({refused})"
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {seconds:.0f} s{said}")
        time.sleep(_POLL_SECONDS)


class Machine:
    """One machine; `home` and `docker.sock` have the same paths on all of them, as on real ones."""

    def __init__(self, lab: "Lab", number: int) -> None:
        self.number = number
        self.name = f"n{number}"
        self.address = f"{_NETWORK}.{number}"
        self._lab = lab
        self._own = lab.place / self.name
        self._namespaces: subprocess.Popen[bytes] | None = None
        self._engine: subprocess.Popen[bytes] | None = None
        self.api: Any = None
        for folder in ("home", "run", "data"):
            (self._own / folder).mkdir(parents=True)

    @property
    def home(self) -> Path:
        """Where this host finds the machine's state folder."""
        return self._own / "home"

    @property
    def host(self) -> str:
        """The address of its engine."""
        return f"unix://{self._own}/run/docker.sock"

    @property
    def data(self) -> Path:
        """Where its engine keeps images and containers."""
        return self._own / "data"

    @property
    def log(self) -> Path:
        return self._own / "dockerd.log"

    def boot(self) -> None:
        """Make its namespaces and its wire, and start its engine."""
        shared, own = self._lab.place, self._own
        script = (
            f"hostname {self.name} && ip link set lo up"
            f" && mount --bind {own}/home {shared}/home && mount --bind {own}/run {shared}/run"
            f" && echo 1 >/proc/sys/net/ipv4/ip_forward && echo up >{own}/up && {_FIRST_PROCESS}"
        )
        (own / "up").unlink(missing_ok=True)
        namespaces = _spawn(
            *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"),
            *("--kill-child=KILL", "--propagation", "private", "sh", "-c", script),
            log=self.log,
        )
        self._namespaces = namespaces
        _started(namespaces, (own / "up").exists, self.log, "namespaces are not made here")
        self._lab.wire(self)
        self.start_engine()

    @property
    def first(self) -> int:
        """The number, on this host, of the machine's first process."""
        assert self._namespaces is not None
        of = self._namespaces.pid
        return int(Path(f"/proc/{of}/task/{of}/children").read_text().split()[0])

    def command(self, *words: str | Path) -> list[str | Path]:
        """Return the words that run a program of this host in the machine's network alone."""
        return ["nsenter", "--target", str(self.first), "--net", "--uts", "--", *words]

    def start_engine(self) -> None:
        """Start its Docker Engine, and wait for it."""
        (self._own / "run/docker.pid").unlink(missing_ok=True)
        self._engine = _spawn(
            *(
                "env",
                f"PATH={self._lab.place}/bin:{os.environ['PATH']}",
                "nsenter",
                "--target",
                str(self.first),
                "--all",
                "--",
                "dockerd",
            ),
            *("--data-root", self._own / "data", "--exec-root", self._lab.place / "run/exec"),
            *("--pidfile", self._lab.place / "run/docker.pid"),
            *("--host", f"unix://{self._lab.place}/run/docker.sock", "--shutdown-timeout", "5"),
            *("--storage-driver", "overlay2", "--cgroup-parent", f"/{self._lab.place.name}"),
            log=self.log,
        )
        _started(self._engine, self.answers, self.log, "dockerd does not start here")
        self._hang_up()
        self.api = docker.APIClient(self.host, timeout=120)

    def answers(self) -> bool:
        """Whether its engine does."""
        return daemon.answers(self.host)

    def sessions(self) -> list[str]:
        """The sessions whose code runs there, each with its attempt."""
        found = self.api.containers(filters={"label": "nsml.session"})
        return [f"{one['Labels']['nsml.session']}#{one['Labels']['nsml.attempt']}" for one in found]

    def _hang_up(self) -> None:
        if self.api is not None:
            self.api.close()

    def kill_engine(self) -> None:
        """Kill its dockerd alone: what it started runs on."""
        assert self._engine is not None
        of = self._engine.pid
        for child in Path(f"/proc/{of}/task/{of}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._engine.wait()

    def cut_off(self) -> None:
        """Pull its cable."""
        self._lab.switch("ip", "link", "set", self.name, "down")

    def reconnect(self) -> None:
        self._lab.switch("ip", "link", "set", self.name, "up")

    def power_off(self) -> None:
        """End everything that runs there at once."""
        self._hang_up()
        if self._namespaces is not None and self._namespaces.poll() is None:
            first = os.pidfd_open(self.first)
            self._namespaces.kill()
            self._namespaces.wait()
            select.select([first], [], [])  # the last of a machine's processes to end
            os.close(first)
        if self._engine is not None:
            self._engine.wait()


class Lab:
    """The machines, and the switch between them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for folder in ("home", "run", "bin"):
            (place / folder).mkdir()
        # Where it is found, an engine takes orders for GPUs; it brings none here.
        (place / "bin/nvidia-container-runtime-hook").write_text("#!/bin/sh\n")
        (place / "bin/nvidia-container-runtime-hook").chmod(0o755)
        log = place / "switch.log"
        self._switch = _spawn("unshare", "--net", "sleep", "infinity", log=log)
        _started(self._switch, self._has_own_network, log, "namespaces are not made here")
        # What the networks of a Swarm are made of; not every kernel has it.
        self.switch("ip", "link", "add", "probe", "type", "vxlan", "id", "1", "dstport", "4789")
        self.switch("ip", "link", "add", "switch", "type", "bridge")
        self.switch("ip", "address", "add", f"{_NETWORK}.254/24", "dev", "switch")
        self.switch("ip", "link", "set", "switch", "up")
        self.machines: list[Machine] = []

    def _has_own_network(self) -> bool:
        mine, its = (Path(f"/proc/{pid}/ns/net") for pid in ("self", self._switch.pid))
        return its.exists() and mine.readlink() != its.readlink()

    def switch(self, *words: str) -> None:
        _run("nsenter", "--target", str(self._switch.pid), "--net", "--", *words)

    def add(self, prepare: Callable[[Machine], None] = lambda _: None) -> Machine:
        """Boot another machine, on disks that were prepared."""
        machine = Machine(self, len(self.machines) + 1)
        self.machines.append(machine)
        prepare(machine)
        machine.boot()
        return machine

    def wire(self, machine: Machine) -> None:
        name, to = machine.name, str(machine.first)
        self.switch("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", to)
        self.switch("ip", "link", "set", name, "master", "switch", "up")
        for words in (
            ("ip", "address", "add", f"{machine.address}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "route", "add", "default", "via", f"{_NETWORK}.254"),
        ):
            _run(*machine.command(*words))

    def close(self) -> None:
        for machine in self.machines:
            machine.power_off()
        self._switch.kill()
        self._switch.wait()


@contextmanager
def running() -> Iterator[Lab]:
    """A place for machines, for as long as the block runs."""
    if os.getuid() != 0:
        raise Unavailable("only root can make machines of namespaces")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise Unavailable(f"there is no {program}")
    with ExitStack() as undo:
        place = undo.enter_context(folders.made())
        lab = Lab(place)
        undo.callback(lab.close)
        yield lab


def _spawn(*words: str | Path, log: Path) -> "subprocess.Popen[bytes]":
    """Start a program that ends when this one does, however that ends."""
    with log.open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def _started(
    process: "subprocess.Popen[bytes]", is_up: Callable[[], bool], log: Path, what: str
) -> None:
    """Wait until a program is up; where it cannot be, its last words say why."""
    deadline = time.monotonic() + _START_SECONDS
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"{what}: {' '.join(tail)[-200:]}")
        time.sleep(_POLL_SECONDS)


def _run(*words: str | Path) -> None:
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        said = (made.stderr or made.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"{' '.join(map(str, words[-6:]))}: {' '.join(said)}")
