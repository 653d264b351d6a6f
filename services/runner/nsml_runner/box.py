"""A container as it is asked for: what it may use and see, and that it may do nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MEMORY_SLACK = 16
"""The kernel kills at one part in so many above the limit: first is the runner, which says more."""

BUILD_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID")
"""Those that installers of system packages need, in containers that only build an image."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the node, and where the container sees it."""

    source: Path
    target: str
    writable: bool = False

    def asked(self) -> dict[str, Any]:
        return {
            "Type": "bind",
            "Source": str(self.source),
            "Target": self.target,
            "ReadOnly": not self.writable,
            "BindOptions": {"Propagation": "rprivate"},
        }


@dataclass(frozen=True, slots=True)
class Box:
    """What is the same for all that runs in a session's container."""

    image: str
    user: str
    """UID:GID."""

    labels: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    network: str = "none"
    alias: str = ""
    """Its name on that network, for the others of a gang."""

    address: str = ""
    """Its address there, where that was settled beforehand."""

    memory_bytes: int = 0
    shm_bytes: int = 0
    scratch_bytes: int = 0
    processes: int = 0
    devices: Sequence[str] = ()
    """GPUs by index or UUID, parts of one by their MIG UUID."""

    cpus: Sequence[int] = ()
    is_build: bool = False
    """Its root may be written to, with the rights that installers need."""

    disk_bytes: int = 0
    """How much may be written to its root; 0: as much as there is room."""

    env: Mapping[str, str] = field(default_factory=dict)


def memory_limit(box: Box) -> int:
    """Return where the kernel draws the line."""
    return box.memory_bytes + box.memory_bytes // MEMORY_SLACK


def asked(box: Box, argv: Sequence[str], cwd: str) -> dict[str, Any]:
    """Return the request that creates a container, in the words of the Engine's API."""
    return {
        "Image": box.image,
        # An image's own entrypoint would run before the code, or instead of it.
        "Entrypoint": list(argv),
        "Cmd": [],
        "WorkingDir": cwd,
        "User": box.user,
        "Env": [f"{name}={value}" for name, value in _env(box).items()],
        "Labels": dict(box.labels),
        "Hostname": "nsml",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host(box),
        **({"NetworkingConfig": _endpoint(box)} if box.alias or box.address else {}),
    }


def _endpoint(box: Box) -> dict[str, Any]:
    settled = {"IPAMConfig": {"IPv4Address": box.address}} if box.address else {}
    named = {"Aliases": [box.alias]} if box.alias else {}
    return {"EndpointsConfig": {box.network: {**named, **settled}}}


def _env(box: Box) -> dict[str, str]:
    """Signals are for all of the code; and no variable of an image or a person brings GPUs."""
    gpus = ",".join(box.devices) or "void"
    return {**box.env, "NVIDIA_VISIBLE_DEVICES": gpus, "TINI_KILL_PROCESS_GROUP": "1"}


def _host(box: Box) -> dict[str, Any]:
    memory = memory_limit(box)
    return {
        "Init": True,
        "ReadonlyRootfs": not box.is_build,
        "CapDrop": ["ALL"],
        "CapAdd": list(BUILD_CAPABILITIES) if box.is_build else [],
        "SecurityOpt": ["no-new-privileges:true"],
        "NetworkMode": box.network,
        "IpcMode": "private",
        "Mounts": [mount.asked() for mount in box.mounts],
        "Tmpfs": {"/tmp": _scratch(box)},  # noqa: S108 - of the container
        "Memory": memory,
        "MemorySwap": memory,
        "ShmSize": box.shm_bytes,
        "PidsLimit": box.processes,
        "CpusetCpus": ",".join(map(str, box.cpus)),
        "DeviceRequests": _gpus(box.devices),
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        **(
            {"StorageOpt": {"size": str(box.disk_bytes)}} if box.is_build and box.disk_bytes else {}
        ),
    }


def _scratch(box: Box) -> str:
    room = f",size={box.scratch_bytes}" if box.scratch_bytes else ""
    return f"rw,nosuid,nodev,exec,mode=1777{room}"


def _gpus(devices: Sequence[str]) -> list[dict[str, Any]]:
    if not devices:
        return []
    return [
        {
            "Driver": "nvidia",
            "DeviceIDs": list(devices),
            "Capabilities": [["gpu", "compute", "utility"]],
        }
    ]
