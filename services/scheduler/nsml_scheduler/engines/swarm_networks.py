"""The networks of gangs: one for each attempt, which spans its nodes and has its members alone.

Each member has an address of its own there, known before anything runs: the others may ask for it
at once, and are answered when it listens.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from nsml_core.errors import Refused

PREFIX = 24
MEMBERS_MAX = 120
"""An engine takes an address for itself on each node, from the lower end of the network."""


@dataclass(frozen=True)
class GangNetwork:
    """One network as the Swarm knows it."""

    id: str
    name: str
    subnet: IPv4Network

    def address(self, rank: int) -> str:
        """Return the address of a member; they are given from the upper end."""
        if rank >= MEMBERS_MAX:
            raise Refused(f"On a Swarm a session spans at most {MEMBERS_MAX} nodes.")
        return str(self.subnet[-2 - rank])


def known(networks: Iterable[Mapping[str, Any]]) -> dict[str, GangNetwork]:
    """Return networks by their names."""
    found = (
        GangNetwork(one["Id"], one["Name"], IPv4Network(one["IPAM"]["Config"][0]["Subnet"]))
        for one in networks
    )
    return {network.name: network for network in found}


def free(pool: IPv4Network, taken: Iterable[GangNetwork]) -> IPv4Network:
    """Return the first subnet that no gang has."""
    used = {network.subnet for network in taken}
    for subnet in pool.subnets(new_prefix=PREFIX):
        if subnet not in used:
            return subnet
    raise Refused(f"Gangs have all of {pool}: set NSML_SWARM_GANGS to a larger range.")
