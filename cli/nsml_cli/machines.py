"""Classes of machines by the names that PeriFlow gave them, such as azure-16gb-v100-4g-eastus-spot.

The name says what a machine has: [cloud]-[memory of a GPU]-[its type]-[how many]-[region][-spot].
`vms.yaml` in the home takes the place of the list that is shown, may give other names, and limits.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from nsml_core.errors import Invalid
from nsml_protos import scheduler_pb2

FILE = "vms.yaml"
_NAME = re.compile(r"([a-z0-9]+)-(\d+)gb-([a-z0-9]+)-(\d{1,4})g-([a-z0-9-]+?)(-spot)?")
_KNOWN = (
    "azure-32gb-v100-8g-eastus",
    "aws-16gb-v100-8g-us-east-2",
    "azure-40gb-a100-8g-westus2",
    "aws-16gb-v100-8g-us-west-2",
    "azure-32gb-v100-8g-eastus-spot",
    "azure-16gb-v100-4g-eastus-spot",
    "azure-16gb-v100-2g-eastus-spot",
    "azure-16gb-v100-1g-eastus-spot",
)


class Machine(NamedTuple):
    """A class of machines; which model of GPU it has is not looked at."""

    name: str
    cloud: str
    region: str
    device: str
    gpus: int
    limit: int | None = None
    """How many of them a job may have; None: as many as there are."""

    def quota(self, nodes: Sequence[scheduler_pb2.Node]) -> int:
        """Return how many of these the nodes could be, at most the limit."""
        there = sum(len(node.devices) // self.gpus for node in nodes)
        return there if self.limit is None else min(there, self.limit)


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quota: int | None = None
    gpus: int | None = None
    device: str = "-"
    cloud: str = "-"
    region: str = "-"


def table(home: Path) -> list[Machine]:
    """Return the classes that are shown."""
    file = home / FILE
    try:
        content = yaml.safe_load(file.read_bytes())
        entries = msgspec.convert(content or {}, dict[str, int | _Entry | None])
    except FileNotFoundError:
        return [_parse(name) for name in _KNOWN]
    except (yaml.YAMLError, msgspec.ValidationError, OSError) as error:
        said = str(error).splitlines()[0].replace("`", "")
        raise Invalid(f"{file} cannot be used ({said}): write lines like NAME: QUOTA.") from None
    return [_entered(name, entry, file) for name, entry in entries.items()]


def find(name: str, home: Path) -> Machine:
    """Return the class of this name: of the table, or by what the name says."""
    for known in table(home):
        if known.name == name:
            return known
    return _parse(name)


def _entered(name: str, entry: int | _Entry | None, file: Path) -> Machine:
    if not isinstance(entry, _Entry):
        return _parse(name)._replace(limit=entry)
    if entry.gpus is None:
        return _parse(name)._replace(limit=entry.quota)
    if entry.gpus < 1:
        raise Invalid(f"{file} gives {name} no GPU: a machine here has one or more.")
    return Machine(name, entry.cloud, entry.region, entry.device, entry.gpus, entry.quota)


def _parse(name: str) -> Machine:
    found = _NAME.fullmatch(name)
    if not found or not int(found[4]):
        raise Invalid(
            f"{name!r} is no VM: `nsml vm list` shows those that are known; a name like "
            "azure-16gb-v100-4g-eastus says that it has 4 GPUs."
        )
    cloud, _, device, count, region, _ = found.groups()
    return Machine(name, cloud, region, device.upper(), int(count))
