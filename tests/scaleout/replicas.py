"""Two of each service, as processes, on one log and one database; any may be killed or held up."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from nsml_core import auth
from nsml_core.settings import SERVICES
from nsml_local import home, servers
from tests.folders import remove
from tests.journeys.person import Person, environment

HOST = "127.0.0.1"
COUNT = 2
_SECONDS = 2.0


@dataclass
class Replica:
    """One process of a service."""

    service: str
    address: str
    environ: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"nsml_{self.service}"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: int) -> None:
        """Send a signal that ends it, and wait for that."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait()

    def says(self, service: str = "") -> bool:
        """Ask whether it serves; by the name of its service, whether it is its turn."""
        with grpc.insecure_channel(self.address) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=HealthCheckRequest.SerializeToString,
                response_deserializer=HealthCheckResponse.FromString,
            )
            try:
                reply = check(HealthCheckRequest(service=service), timeout=_SECONDS)
            except grpc.RpcError:
                return False
        return bool(reply.status == HealthCheckResponse.SERVING)


@dataclass
class Platform:
    """All replicas, and a person who uses them."""

    ann: Person
    replicas: dict[str, list[Replica]] = field(default_factory=dict)

    def at(self, service: str, number: int, folder: Path | None = None) -> Person:
        """The same person, who reaches only one replica of a service."""
        address = self.replicas[service][number].address
        environ = {**self.ann.environ, f"NSML_{service.upper()}_ADDRESS": address}
        return Person(self.ann.home, folder or self.ann.folder, environ)

    def leader(self) -> int:
        """Wait for a scheduler to serve, and return which it is."""
        while True:
            for number, replica in enumerate(self.replicas["scheduler"]):
                if replica.says("scheduler"):
                    return number
            time.sleep(0.05)

    def all_alive(self) -> None:
        """Start what has ended, and wait until each says that it is there."""
        everyone = [one for replicas in self.replicas.values() for one in replicas]
        for one in everyone:
            if one.process is None or one.process.poll() is not None:
                one.start()
        for one in everyone:
            while not one.says():
                assert one.process is not None
                assert one.process.poll() is None, one.log.read_text()[-2000:]
                time.sleep(0.05)
        self.leader()


@contextmanager
def opened(**settings: str) -> Iterator[Platform]:
    """Two of each service, from their start to their end."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        with ExitStack() as stack:
            nats = home.with_free_ports(home.make(folder / "nats"))
            stack.enter_context(servers.running(servers.nats_program(nats), nats))
            postgres_url = stack.enter_context(servers.postgres(folder / "postgres"))
            known = {
                "NSML_USER": "ann",
                "NSML_SCALE_OUT": "yes",
                "NSML_GPUS": "2",
                "NSML_CPUS": "8",
                "NSML_BLOBS_URL": f"file://{folder}/home/blobs",
                "NSML_NATS_URL": nats.nats_url,
                "NSML_NATS_MONITOR_URL": nats.monitor_url,
                "NSML_POSTGRES_URL": postgres_url,
                **settings,
            }
            platform = _platform(folder, known)
            stack.callback(_stop, platform)
            platform.all_alive()
            yield platform
    finally:
        remove(folder)


def _platform(folder: Path, known: Mapping[str, str]) -> Platform:
    at = home.make(folder / "home").folder
    auth.make_secret(at / "secret")  # all replicas have the same
    ports = _free(COUNT * len(SERVICES))
    places = {name: [f"{HOST}:{ports.pop()}" for _ in range(COUNT)] for name in SERVICES}
    addresses = {f"NSML_{name.upper()}_ADDRESS": ",".join(found) for name, found in places.items()}
    person = Person(at, folder, environment(at, **addresses))
    platform = Platform(person)
    for name, found in places.items():
        platform.replicas[name] = [
            _replica(folder, name, number, address, {**person.environ, **known})
            for number, address in enumerate(found)
        ]
    return platform


def _replica(
    folder: Path, name: str, number: int, address: str, environ: Mapping[str, str]
) -> Replica:
    listening = {f"NSML_{name.upper()}_LISTEN": address}
    if name == "dataset" and number:  # each has an index of its own, in a home of its own
        other = folder / f"home{number}"
        other.mkdir(mode=0o700)
        (other / "secret").symlink_to(folder / "home" / "secret")
        listening["NSML_HOME"] = str(other)
    return Replica(name, address, {**environ, **listening}, folder / f"{name}{number}.log")


def _free(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _stop(platform: Platform) -> None:
    for replicas in platform.replicas.values():
        for one in replicas:
            if one.process is not None:
                with suppress(ProcessLookupError):
                    one.process.send_signal(signal.SIGCONT)
                    one.process.kill()
                one.process.wait()
    for process in _left(platform.ann.home):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _left(at: Path) -> list[int]:
    """The forkserver, and what it has started: the home is in their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if str(at).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]
