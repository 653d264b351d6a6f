"""The queue as people see it: in the order in which it is looked at, with reasons and estimates."""

from nsml_protos.scheduler_pb2 import QueueLine, Work
from nsml_scheduler import terms
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.translate import timestamp

_PLACING = "is being placed"
_UNSEEN = "the scheduler has not looked at it yet"


def in_order(cluster: Cluster) -> list[Work]:
    """Return those who wait, as the last plan looked at them; the others behind, by arrival."""
    last = len(cluster.works) + 1

    def place(work: Work) -> tuple[int, int, str]:
        if work.session in cluster.under_way:
            return (0, work.queued.ToNanoseconds(), work.session)
        wait = cluster.waits.get(work.session)
        position = wait.position if wait and wait.position else last
        return (position, work.queued.ToNanoseconds(), work.session)

    return sorted(cluster.queue(), key=place)


def lines(cluster: Cluster, now: float) -> list[QueueLine]:
    """Return each one's place, reason, estimate, and the standing of its owner."""
    used, weights = cluster.used(now), terms.weights(cluster.policy)
    found: list[QueueLine] = []
    placing = 0
    for work in in_order(cluster):
        wait = cluster.waits.get(work.session)
        line = QueueLine(
            work=work,
            reason=_reason(cluster, work.session),
            share=used.get(work.owner, 0.0),
            weight=weights.get(work.owner, 1.0),
        )
        if work.session in cluster.under_way:
            placing += 1
        else:
            line.position = len(found) + 1 - placing
            if wait is not None and wait.estimate is not None:
                line.estimate.CopyFrom(timestamp(wait.estimate))
        found.append(line)
    return found


def _reason(cluster: Cluster, session: str) -> str:
    if session in cluster.under_way:
        return _PLACING
    if session in cluster.parked:
        return cluster.parked[session]
    wait = cluster.waits.get(session)
    return wait.reason if wait else _UNSEEN
