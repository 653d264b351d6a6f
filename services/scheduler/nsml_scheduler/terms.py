"""The policy that admins set: how the queue is ordered, and what each owner may hold at once."""

import re
from datetime import datetime
from typing import assert_never

from google.protobuf.message import Message

from nsml_core.decider import Aggregate, stamp
from nsml_core.errors import Invalid
from nsml_protos.scheduler_pb2 import (
    ClassRemoved,
    ClassSet,
    Policy,
    PolicySet,
    Quota,
    QuotaSet,
    Weight,
    WeightSet,
)

KEY = "policy/cluster"
"""A node's name has no slash, so that this is none."""

HALF_LIFE_SECONDS = 86_400
CHECKPOINT_WAIT_SECONDS = 30
MINIMUM_RUN_SECONDS = 60
_SECONDS_MAX = 365 * 86_400
_WEIGHT_MAX = 1000.0
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")

Event = PolicySet | QuotaSet | WeightSet | ClassSet | ClassRemoved


def evolve(state: Policy, event: Event, time: datetime) -> None:
    """Apply one event to the policy."""
    match event:
        case PolicySet():
            _set(state, event)
            state.set_by = event.actor
            stamp(state.set_at, time)
        case QuotaSet():
            _set_quota(state, event, time)
        case WeightSet():
            _set_weight(state, event, time)
        case ClassSet():
            _drop_class(state, event.priority_class.name)
            named = state.classes.add()
            named.CopyFrom(event.priority_class)
            named.set_by = event.actor
            stamp(named.set_at, time)
        case ClassRemoved():
            _drop_class(state, event.name)
        case _:
            assert_never(event)


def _set(state: Policy, event: PolicySet) -> None:
    if event.HasField("preemption"):
        state.preemption_off = not event.preemption
    if event.HasField("half_life_seconds"):
        state.half_life_seconds = event.half_life_seconds
    if event.HasField("checkpoint_wait_seconds"):
        state.checkpoint_wait_seconds = event.checkpoint_wait_seconds
    if event.HasField("minimum_run_seconds"):
        state.minimum_run_seconds = event.minimum_run_seconds


def _set_quota(state: Policy, event: QuotaSet, time: datetime) -> None:
    kept = [quota for quota in state.quotas if quota.owner != event.quota.owner]
    del state.quotas[:]
    state.quotas.extend(kept)
    if event.quota != Quota(owner=event.quota.owner):
        quota = state.quotas.add()
        quota.CopyFrom(event.quota)
        quota.set_by = event.actor
        stamp(quota.set_at, time)


def _set_weight(state: Policy, event: WeightSet, time: datetime) -> None:
    kept = [weight for weight in state.weights if weight.owner != event.owner]
    del state.weights[:]
    state.weights.extend(kept)
    if event.weight != 1.0:
        weight = Weight(owner=event.owner, weight=event.weight, set_by=event.actor)
        stamp(weight.set_at, time)
        state.weights.append(weight)


def _drop_class(state: Policy, name: str) -> None:
    kept = [one for one in state.classes if one.name != name]
    del state.classes[:]
    state.classes.extend(kept)


POLICY = Aggregate("scheduler", Policy, Event, evolve)


def set_policy(state: Policy, asked: PolicySet) -> list[Message]:
    """Change how the queue is ordered."""
    times = (asked.half_life_seconds, asked.checkpoint_wait_seconds, asked.minimum_run_seconds)
    if max(times) > _SECONDS_MAX:
        raise Invalid("A time of the policy is at most a year.")
    after, before = Policy(), Policy()
    for policy in (after, before):
        policy.CopyFrom(state)
    _set(after, asked)
    return [] if after == before else [asked]


def set_quota(state: Policy, quota: Quota, actor: str) -> list[Message]:
    """Change what an owner may hold at once."""
    if quota.owner:
        _check_owner(quota.owner)
    known = _plain(own_quota(state, quota.owner) or Quota(owner=quota.owner))
    asked = _plain(quota)
    return [] if asked == known else [QuotaSet(quota=asked, actor=actor)]


def set_weight(state: Policy, owner: str, weight: float, actor: str) -> list[Message]:
    """Change an owner's share."""
    _check_owner(owner)
    if not 0 < weight <= _WEIGHT_MAX:
        raise Invalid(f"A weight is above 0 and at most {_WEIGHT_MAX:g}.")
    if weights(state).get(owner, 1.0) == weight:
        return []
    return [WeightSet(owner=owner, weight=weight, actor=actor)]


def own_quota(state: Policy, owner: str) -> Quota | None:
    """Return the quota that was set for just this owner."""
    return next((quota for quota in state.quotas if quota.owner == owner), None)


def quota_of(state: Policy, owner: str) -> Quota:
    """Return the quota that counts for an owner: their own, or everybody's."""
    return own_quota(state, owner) or own_quota(state, "") or Quota()


def weights(state: Policy) -> dict[str, float]:
    """Return the weights that were set."""
    return {weight.owner: weight.weight for weight in state.weights}


def _plain(quota: Quota) -> Quota:
    plain = Quota()
    plain.CopyFrom(quota)
    plain.ClearField("set_by")
    plain.ClearField("set_at")
    return plain


def _check_owner(owner: str) -> None:
    if not _OWNER.fullmatch(owner):
        raise Invalid(f"'{owner[:100]}' is no name of a user or a team.")
