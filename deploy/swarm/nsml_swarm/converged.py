"""Whether a service of a Swarm is what was deployed: all its tasks run, and are the newest."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any


class State(Enum):
    """How far a service is."""

    READY = "ready"
    ON_ITS_WAY = "on its way"
    WENT_BACK = "went back"
    """What was deployed failed, and the Swarm brought back what was before."""


_BACK = {"rollback_started", "rollback_paused", "rollback_completed", "paused"}


def state(service: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> State:
    """Return how far a service is, from what the Swarm says of it and of its tasks."""
    updating = (service.get("UpdateStatus") or {}).get("State")
    if updating in _BACK:
        return State.WENT_BACK
    wanted = service["Spec"]["Mode"]["Replicated"]["Replicas"]
    newest = _compared(service["Spec"]["TaskTemplate"])
    running = [
        task
        for task in tasks
        if task["DesiredState"] == task["Status"]["State"] == "running"
        and _compared(task["Spec"]) == newest
    ]
    # While it is being updated, the Swarm still watches whether what it has started stays.
    is_whole = 0 < wanted <= len(running) and updating != "updating"
    return State.READY if is_whole else State.ON_ITS_WAY


def _compared(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task is replaced for, if it changes; where it may run is not of that."""
    return {name: task.get(name) for name in ("ContainerSpec", "Networks", "ForceUpdate")}
