"""The labels that say what each node of a Swarm is for; where nobody has said it, it is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsml_core.errors import Refused

NODE, LOG, SERVICES = "nsml.node", "nsml.log", "nsml.services"
FIRST, SECOND = "yes", "second"
"""Of the label for services: where the first of each is, and where the second may be too."""

PORTS = 7400, 7410
"""The first of the row of ports of each half."""

_LOGS = ("1", "2", "3")


@dataclass(frozen=True)
class Half:
    """One of each service: where it is."""

    label: str
    host: str
    port: int

    @property
    def server(self) -> str:
        """How it is found."""
        return f"{self.host}:{self.port}"


def complete(api: Any) -> Iterator[str]:
    """Give the labels that nobody has given, and say which."""
    nodes = [node for node in api.nodes() if node["Status"]["State"] == "ready"]
    if len(nodes) < len(_LOGS):
        raise Refused(
            f"The log is kept on {len(_LOGS)} nodes, and this Swarm has {len(nodes)} that answer: "
            "`docker swarm join-token worker` shows what to type on others."
        )
    me = api.info()["Swarm"]["NodeID"]
    nodes.sort(key=lambda node: (node["ID"] != me, node["Description"]["Hostname"]))
    yield from _services(api, nodes[0], nodes)
    yield from _logs(api, nodes)
    if not any(_label(node, NODE) for node in nodes):
        for node in nodes:
            yield _give(api, node, NODE, node["Description"]["Hostname"])


def _services(api: Any, me: dict[str, Any], nodes: list[dict[str, Any]]) -> Iterator[str]:
    if not any(_label(node, SERVICES) == FIRST for node in nodes):
        yield _give(api, me, SERVICES, FIRST)


def _logs(api: Any, nodes: list[dict[str, Any]]) -> Iterator[str]:
    given = {_label(node, LOG) for node in nodes}
    free = [node for node in nodes if not _label(node, LOG)]
    missing = [at for at in _LOGS if at not in given]
    if len(free) < len(missing):
        raise Refused(f"No node has the label {LOG}={missing[0]}: give it to one that answers.")
    for at, node in zip(missing, free, strict=False):
        yield _give(api, node, LOG, at)


def _label(node: Mapping[str, Any], name: str) -> str:
    return str((node["Spec"].get("Labels") or {}).get(name, ""))


def _give(api: Any, node: dict[str, Any], name: str, value: str) -> str:
    """Give a node one more label."""
    newest = api.inspect_node(node["ID"])
    spec = newest["Spec"]
    spec["Labels"] = {**(spec.get("Labels") or {}), name: value}
    api.update_node(node["ID"], newest["Version"]["Index"], spec)
    node["Spec"] = spec
    return f"Node {newest['Description']['Hostname']} has the label {name}={value}"


def halves(nodes: Sequence[Mapping[str, Any]], *, shares_blobs: bool) -> tuple[Half, Half]:
    """Return where each half of the services is, which is one node if no other has the label."""
    (first, *_) = [node for node in nodes if _label(node, SERVICES) == FIRST]
    others = [node for node in nodes if _label(node, SERVICES) == SECOND]
    for node in others:
        hostname = node["Description"]["Hostname"]
        if node["Spec"]["Role"] != "manager":
            raise Refused(
                f"Services ask a manager of the Swarm, and {hostname} is none: `docker node "
                f"promote {hostname}`, or take its label {SERVICES}={SECOND} away."
            )
        if not shares_blobs:
            raise Refused(
                f"Services on {hostname} do not reach the folder of blobs on "
                f"{first['Description']['Hostname']}: set NSML_BLOBS_URL to s3://…, or to a folder "
                "that both share, file:///…"
            )
    second, label = (others[0], SECOND) if others else (first, FIRST)
    here, there = (str(node["Status"]["Addr"]) for node in (first, second))
    return Half(FIRST, here, PORTS[0]), Half(label, there, PORTS[1])
