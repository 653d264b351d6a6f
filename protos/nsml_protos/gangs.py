"""What a session over several nodes and one on a single node have in common: members."""

from collections.abc import Sequence
from typing import Protocol

from nsml_protos.session_pb2 import GangMember, Resources


class Room(Protocol):
    """What names the room of an attempt: `Placed`, `Attempt`, `Work`, `PlaceRequest`."""

    node: str

    @property
    def devices(self) -> Sequence[str]: ...

    @property
    def members(self) -> Sequence[GangMember]: ...


def members(room: Room) -> Sequence[GangMember]:
    """Return the members of an attempt by rank; who has none named is one, on one node."""
    return room.members or [GangMember(node=room.node, devices=room.devices)]


def node_count(need: Resources) -> int:
    """Return how many nodes a session needs at once."""
    return need.nodes or 1
