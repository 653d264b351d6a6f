"""What of others' sessions anybody may see: that they hold room or wait for it, and no names."""

from collections.abc import Callable

from nsml_core.masks import SOMEBODY, SOMEBODYS, masked
from nsml_protos.scheduler_pb2 import Policy, QueueLine, Work

Sees = Callable[[str], bool]


def work(given: Work, sees: Sees) -> Work:
    """Return a session's room, or wait, as somebody may see it."""
    if sees(given.owner):
        return given
    copy = Work()
    copy.CopyFrom(given)
    copy.session, copy.owner = SOMEBODYS, SOMEBODY
    copy.after[:] = [SOMEBODYS for _ in given.after]
    return copy


def line(given: QueueLine, sees: Sees) -> QueueLine:
    """Return a place in the queue as somebody may see it."""
    reason = masked(given.reason, sees)
    if not sees(given.work.owner):
        reason = reason.replace(f"{given.work.owner} may", f"{SOMEBODY} may")
    copy = QueueLine()
    copy.CopyFrom(given)
    copy.work.CopyFrom(work(given.work, sees))
    copy.reason = reason
    return copy


def policy(given: Policy, sees: Sees) -> Policy:
    """Return the policy with those quotas and weights that somebody may see, and everybody's.

    Of a class that is not for all others are told that it is for somebody.
    """
    copy = Policy()
    copy.CopyFrom(given)
    quotas = [one for one in given.quotas if not one.owner or sees(one.owner)]
    weights = [one for one in given.weights if sees(one.owner)]
    del copy.quotas[:], copy.weights[:]
    copy.quotas.extend(quotas)
    copy.weights.extend(weights)
    for one in copy.classes:
        one.who[:] = [owner if sees(owner) else SOMEBODY for owner in one.who]
    return copy
