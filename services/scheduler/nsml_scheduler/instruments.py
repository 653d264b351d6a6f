"""What operators see of the scheduler: who waits, and which devices are in use."""

from nsml_core.entry import Recorded
from nsml_core.telemetry import Gauge
from nsml_protos.gangs import members
from nsml_scheduler.cluster import Cluster

_QUEUE = Gauge("nsml.scheduler.queue.length", "{session}", "Sessions that wait for room.")
_DEVICES = Gauge("nsml.scheduler.devices", "{device}", "Devices of all nodes, in use or not.")


class Occupancy:
    """Shows what the cluster holds after each change."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._show()

    async def seen(self, _: list[Recorded]) -> None:
        """Show what is so now."""
        self._show()

    def _show(self) -> None:
        _QUEUE.set(len(self._cluster.queue()))
        held = (member for work in self._cluster.holding() for member in members(work))
        used = sum(len(member.devices) for member in held)
        devices = sum(len(node.devices) for node in self._cluster.known_nodes())
        _DEVICES.set(used, {"nsml.device.state": "used"})
        _DEVICES.set(devices - used, {"nsml.device.state": "free"})
