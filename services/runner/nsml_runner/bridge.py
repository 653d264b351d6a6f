"""A network as a Docker Engine tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

MTU = "com.docker.network.driver.mtu"


@dataclass(frozen=True, slots=True)
class Found:
    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[IPv4Network, ...]
    mtu: str


def told_of(one: Mapping[str, Any]) -> Found:
    pools = (one["IPAM"] or {}).get("Config") or ()
    subnets = [str(pool.get("Subnet", "")) for pool in pools]
    return Found(
        id=one["Id"],
        name=one["Name"],
        labels=one["Labels"] or {},
        subnets=tuple(IPv4Network(each) for each in subnets if "." in each),
        mtu=(one["Options"] or {}).get(MTU, ""),
    )
