"""One simulated world: the log, the network, the services' disks, the node, and what was said."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nsml_core.settings import SERVICES
from nsml_protos.scheduler_pb2 import Device, NodeJoined
from nsml_protos.session_pb2 import Frame
from tests.faults.history import Command
from tests.simulation.chance import Chance
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.stream import Stream
from tests.simulation.views import Database, SimulatedView

if TYPE_CHECKING:
    from tests.simulation.runners import Engine

_WORLD: ContextVar[World] = ContextVar("world")

GPUS = 2
CPUS = 4


@dataclass
class World:
    """Everything there is in one history."""

    loop: SimulatedLoop
    chance: Chance
    stream: Stream
    network: Network
    engine: Engine
    databases: dict[str, Database] = field(
        default_factory=lambda: {name: Database() for name in SERVICES}
    )
    views: dict[str, SimulatedView] = field(default_factory=dict)
    drifts: dict[str, float] = field(default_factory=dict)
    """By how much the clock of a process is wrong, in seconds."""

    frames: dict[tuple[str, int, int], dict[int, tuple[datetime, Frame]]] = field(
        default_factory=dict
    )
    """What runners told, by attempt, rank and number, and when it was taken in."""

    has_echoes: bool = False
    """What was refused may come once more, and be taken then."""

    asking: int = 0
    """So many people wait for an answer, or will ask."""

    forgotten: dict[tuple[str, str], str] = field(default_factory=dict)
    """Which command asks to forget which checkpoint of which session."""

    commands: list[Command] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    began: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    nodes: Sequence[NodeJoined] = field(default_factory=lambda: some_nodes(1))


def some_nodes(count: int) -> list[NodeJoined]:
    """Return nodes that are alike."""
    devices = [Device(id=str(n)) for n in range(GPUS)]
    names = ["node", *(f"node-{number}" for number in range(2, count + 1))]
    return [NodeJoined(name=name, devices=devices, cpus=CPUS) for name in names]


def world() -> World:
    """Return the world that this code runs in."""
    return _WORLD.get()


def enter_world(here: World) -> None:
    """Let this be the world, for all that begins from here."""
    _WORLD.set(here)
