"""This host as nodes: what it has, or what the environment declares that it has."""

import os
import platform
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from nsml_core.errors import Invalid
from nsml_core.sizes import parse_bytes
from nsml_protos.scheduler_pb2 import Device, Node, NodeJoined

_GPUS_MAX = 1024
_LABEL = re.compile(r"[A-Za-z0-9._-]+=[A-Za-z0-9._-]*")


def describe(works: Sequence[Path], known: Sequence[Node]) -> list[NodeJoined]:
    """Return this host as one node for each folder; a node that is known keeps its name.

    `NSML_GPUS`, `NSML_CPUS`, `NSML_MEMORY` take the place of what it has. What is declared, each
    node has; what was found, they share.
    """
    count = len(works)
    memory = os.environ.get("NSML_MEMORY")
    first = _first(works[0], known)
    found = _nvml_devices() if "NSML_GPUS" not in os.environ else None
    return [
        NodeJoined(
            name=_name(first, index),
            devices=_declared_devices() if found is None else found[index::count],
            cpus=_declared("NSML_CPUS", max(_cpus() // count, 1)),
            memory_bytes=(
                parse_bytes(memory) if memory else psutil.virtual_memory().total // count
            ),
            shm_bytes=_shm_bytes() // count,
            labels=_labels(),
            zone=os.environ.get("NSML_ZONE", ""),
            identity=_identity(work, _named(known, _name(first, index))),
        )
        for index, work in enumerate(works)
    ]


def _name(first: str, index: int) -> str:
    return f"{first}-{index + 1}" if index else first


def _first(work: Path, known: Sequence[Node]) -> str:
    """Return the name of this host's first node, which the host may have had before its own."""
    names = {node.name for node in known}
    firsts = [node for node in known if node.name.rpartition("-")[0] not in names]
    identity = _remembered(work)
    mine = [node for node in firsts if node.identity == identity] or firsts
    newest = max(mine, key=lambda node: node.joined.ToNanoseconds(), default=Node())
    return newest.name or re.sub(r"[^A-Za-z0-9_-]", "-", platform.node())[:40] or "local"


def _named(known: Sequence[Node], name: str) -> Node:
    return next((node for node in known if node.name == name), Node())


def _identity(work: Path, known: Node) -> str:
    """Return what tells this node from another of its name.

    It lies with what the node remembers of its sessions; where that is not, as in a home that was
    brought back from a backup, it is the node that is known.
    """
    identity = _remembered(work)
    if not identity:
        identity = known.identity or uuid.uuid4().hex
        work.mkdir(parents=True, exist_ok=True)
        (work / ".node").write_text(identity)
    return identity


def _remembered(work: Path) -> str:
    file = work / ".node"
    return file.read_text() if file.exists() else ""


def _cpus() -> int:
    return len(psutil.Process().cpu_affinity() or [0])


def _shm_bytes() -> int:
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - it is measured, nothing is written there
    except OSError:
        return 0
    return shm.f_blocks * shm.f_frsize


def _labels() -> dict[str, str]:
    """Read `NSML_LABELS`, such as disk=ssd,rack=7."""
    pairs = [pair for pair in os.environ.get("NSML_LABELS", "").split(",") if pair]
    if not all(_LABEL.fullmatch(pair) for pair in pairs):
        raise Invalid("NSML_LABELS is written like disk=ssd,rack=7: letters, digits, . _ and -.")
    return dict(pair.split("=", 1) for pair in pairs)


def _declared_devices() -> list[Device]:
    count = _declared("NSML_GPUS", 0)
    return [Device(id=str(index), model="declared") for index in range(count)]


def _nvml_devices() -> list[Device]:
    import pynvml  # noqa: PLC0415 - slow, and of no use where devices are declared

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        whole = [_described(pynvml, handle, str(at)) for at, handle in enumerate(handles)]
        slices = [_slices(pynvml, handle) for handle in handles]
        return [device for one, cut in zip(whole, slices, strict=True) for device in (cut or [one])]
    finally:
        pynvml.nvmlShutdown()


def _described(nvml: Any, handle: Any, name: str) -> Device:
    return Device(
        id=name,
        model=nvml.nvmlDeviceGetName(handle),
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
    )


def _slices(nvml: Any, handle: Any) -> list[Device]:
    """Return the slices that MIG cuts a GPU into; none if it is whole."""
    try:
        if not nvml.nvmlDeviceGetMigMode(handle)[0]:
            return []
    except nvml.NVMLError_NotSupported:
        return []
    found = []
    for at in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            cut = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, at)
        except nvml.NVMLError_NotFound:
            continue
        device = _described(nvml, cut, nvml.nvmlDeviceGetUUID(cut))
        device.slice = device.model.rpartition(" ")[2]  # the name ends with it: … MIG 1g.10gb
        found.append(device)
    return found


def _declared(name: str, found: int) -> int:
    value = os.environ.get(name)
    if value is None:
        return found
    if not value.isdigit() or int(value) > _GPUS_MAX * 64:
        raise Invalid(f"{name} is a whole number, not '{value}'.")
    return int(value)
