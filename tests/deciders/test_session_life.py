"""Any reports of any attempts, in any order: an ended session stays as it ended."""

from collections.abc import Sequence

from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from nsml_core.errors import Error
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointSaved,
    Completed,
    Failed,
    Lost,
    Outcome,
    Preempted,
    Removed,
    Requested,
    Resumed,
    Session,
    Spec,
    Started,
    Stopped,
    Waiting,
)
from nsml_session import decide, loss, requeue
from nsml_session.state import LIVE, PLACED, SESSION
from tests.deciders.given import NOON, Decision
from tests.deciders.sessions import ROOM

ENDINGS = (Completed, Failed, Stopped, Lost, Preempted)
ATTEMPTS = st.integers(0, 3)
OUTCOMES = st.builds(
    Outcome,
    exit_code=st.sampled_from([None, 0, 1]),
    signal=st.sampled_from([None, 9]),
    message=st.sampled_from(["", "why"]),
)


def asked(function: object, **named: object) -> Decision[Session]:
    return lambda state: function(state, **named)  # type: ignore[operator]


def command(
    function: object, **named: st.SearchStrategy[object]
) -> st.SearchStrategy[Decision[Session]]:
    return st.fixed_dictionaries(named).map(lambda given: asked(function, **given))


WORD = st.sampled_from(["a", "b"])
COMMANDS = st.one_of(
    command(decide.wait, waiting=st.builds(Waiting, reason=WORD)),
    command(decide.place, attempt=ATTEMPTS, room=st.just(ROOM)),
    command(decide.start, attempt=ATTEMPTS, environment=WORD),
    command(decide.save_checkpoint, attempt=ATTEMPTS, checkpoint=st.builds(Checkpoint, name=WORD)),
    command(decide.end, attempt=ATTEMPTS, outcome=OUTCOMES, stopped=st.booleans()),
    command(loss.lose, attempt=ATTEMPTS, reason=WORD),
    command(requeue.preempt, attempt=ATTEMPTS, reason=WORD, actor=WORD),
    command(decide.stop, reason=WORD, actor=WORD),
    command(decide.remove),
    command(decide.resume, checkpoint=st.sampled_from(["", "a"]), from_start=st.booleans()),
    command(decide.set_memo, memo=WORD),
    command(decide.remove_checkpoint, name=WORD),
)


def events_of(decision: Decision[Session], state: Session) -> Sequence[Message]:
    try:
        return decision(state)
    except Error:
        return []  # a refusal changes nothing


def begun() -> Session:
    spec = Spec(code_tree="c", entry="main.py")
    return SESSION.fold(
        Session(), [(Requested(name="a/b/1", owner="a", spec=spec, request_key="k"), NOON)]
    )


@given(st.lists(COMMANDS, max_size=30))
def test_an_ended_session_stays_as_it_ended(commands: list[Decision[Session]]) -> None:
    state = begun()
    endings = resumes = 0
    for decision in commands:
        events = events_of(decision, state)
        after = SESSION.fold(state, [(event, NOON) for event in events])
        endings += sum(isinstance(event, ENDINGS) for event in events)
        again = any(isinstance(event, Resumed) for event in events)
        resumes += again
        if state.status not in LIVE and not again:
            assert (after.status, after.outcome, after.attempts, after.ended) == (
                state.status,
                state.outcome,
                state.attempts,
                state.ended,
            )
        assert endings - resumes in {0, 1}
        assert (after.status in LIVE) == (endings == resumes)
        state = after


@given(st.lists(COMMANDS, max_size=30))
def test_it_is_known_who_may_speak(commands: list[Decision[Session]]) -> None:
    state = begun()
    for decision in commands:
        for event in events_of(decision, state):
            if isinstance(event, Started | CheckpointSaved | Completed | Failed | Lost):
                assert state.status in PLACED
            if isinstance(event, Started | Completed | Failed | Lost):
                assert event.attempt == state.attempts[-1].number
            if isinstance(event, Removed):
                assert state.status not in LIVE
            state = SESSION.fold(state, [(event, NOON)])
        assert [attempt.number for attempt in state.attempts] == list(
            range(1, len(state.attempts) + 1)
        )
        over = [attempt.HasField("ended") for attempt in state.attempts]
        assert all(over[:-1])
        assert state.status not in PLACED or not over[-1]
        assert not (state.removed and state.status in LIVE)


@given(st.lists(COMMANDS, max_size=15), COMMANDS)
def test_what_is_asked_twice_happens_once(
    commands: list[Decision[Session]], decision: Decision[Session]
) -> None:
    state = begun()
    for each in commands:
        state = SESSION.fold(state, [(event, NOON) for event in events_of(each, state)])

    after = SESSION.fold(state, [(event, NOON) for event in events_of(decision, state)])

    assert not events_of(decision, after)
