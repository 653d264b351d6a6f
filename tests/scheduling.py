"""How tests are handed to workers: as pytest-xdist does, and on when one of them has died."""

from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController


class Scheduling(LoadGroupScheduling):
    """Hands on what a dead worker had left, and not what it had done.

    The library queues that too; nothing of it is run, so nothing ends, and with two of them all
    wait for good (seen with 3.8.0).
    """

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker away; return the test in which it died."""
        assigned = self.assigned_work[node]
        for scope in [scope for scope, unit in assigned.items() if all(unit.values())]:
            del assigned[scope]
        return super().remove_node(node)
