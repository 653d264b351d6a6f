"""The labels that say what each node of a Swarm is for; where nobody has said it, it is chosen."""

from collections.abc import Iterator, Mapping
from typing import Any

from nsml_core.errors import Refused

NODE, LOG, SERVICES = "nsml.node", "nsml.log", "nsml.services"
_LOGS = ("1", "2", "3")


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
    if not any(_label(node, SERVICES) == "yes" for node in nodes):
        yield _give(api, me, SERVICES, "yes")


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


def address_of_services(api: Any) -> str:
    """Return the address of the node that has the services."""
    found = [node for node in api.nodes() if _label(node, SERVICES) == "yes"]
    return str(found[0]["Status"]["Addr"])
