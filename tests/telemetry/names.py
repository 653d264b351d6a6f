"""The metrics of the platform: the service that each comes from, its name and its unit."""

from nsml_core.settings import SERVICES

METRICS = {
    ("nsml-session", "rpc.server.call.duration", "s"),
    ("nsml-scheduler", "rpc.client.call.duration", "s"),
    ("nsml-session", "messaging.client.operation.duration", "s"),
    ("nsml-session", "messaging.client.sent.messages", "{message}"),
    ("nsml-session", "nsml.session.transitions", "{session}"),
    ("nsml-session", "nsml.session.status.duration", "s"),
    ("nsml-session", "nsml.session.frames", "{frame}"),
    ("nsml-scheduler", "nsml.scheduler.queue.length", "{session}"),
    ("nsml-scheduler", "nsml.scheduler.devices", "{device}"),
    ("nsml-ledger", "nsml.ledger.charged", "{credit}"),
    *((f"nsml-{name}", "nsml.view.lag", "{entry}") for name in SERVICES),
}

_COUNTERS = {
    "messaging.client.sent.messages",
    "nsml.session.transitions",
    "nsml.session.frames",
    "nsml.ledger.charged",
}


def in_prometheus(name: str, unit: str) -> set[str]:
    """Return the series that a collector makes of a metric for Prometheus."""
    series = name.replace(".", "_")
    if unit == "s":
        return {f"{series}_seconds_bucket", f"{series}_seconds_count", f"{series}_seconds_sum"}
    return {f"{series}_total" if name in _COUNTERS else series}
