"""Given what happened, when something is asked, then this happens: `given(…).when(…).then(…)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import pytest
from google.protobuf.message import Message

from nsml_core.decider import Aggregate
from nsml_core.errors import Error

S = TypeVar("S", bound=Message)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

Decision = Callable[[S], Sequence[Message]]


class Given(Generic[S]):
    """An aggregate with a history; its events are a second apart."""

    def __init__(self, aggregate: Aggregate[S], events: Sequence[Message]) -> None:
        self.aggregate = aggregate
        times = [NOON + timedelta(seconds=number) for number in range(len(events))]
        self.state = aggregate.fold(aggregate.state(), zip(events, times, strict=True))
        self._events = tuple(events)

    def when(self, decision: Decision[S]) -> When[S]:
        """Ask; the answer is looked at by what follows."""
        return When(self, decision)

    def and_then(self, *events: Message) -> Given[S]:
        """Go on with what happened next."""
        return Given(self.aggregate, [*self._events, *events])


class When(Generic[S]):
    """A decision on a state."""

    def __init__(self, given: Given[S], decision: Decision[S]) -> None:
        self._given = given
        self._decision = decision

    def then(self, *expected: Message) -> Given[S]:
        """Check what happens, that the state was left alone, and return what is true then."""
        before = type(self._given.state).FromString(self._given.state.SerializeToString())
        events = list(self._decision(self._given.state))

        assert events == list(expected)
        assert self._given.state == before
        return self._given.and_then(*events)

    def then_once(self, *expected: Message) -> Given[S]:
        """Check what happens, and that nothing does when the same is asked twice."""
        after = self.then(*expected)
        assert list(self._decision(after.state)) == []
        return after

    def refused(self, error: type[Error], match: str) -> None:
        """Check that it is refused with this sentence."""
        with pytest.raises(error, match=match):
            self._decision(self._given.state)


def given(aggregate: Aggregate[S], *events: Message) -> Given[S]:
    """Return an aggregate to which these events happened."""
    return Given(aggregate, events)
