"""What the runner of an attempt says, and the fence that it meets."""

import pytest
from google.protobuf.message import Message

from nsml_core.errors import Invalid, Superseded
from nsml_protos.session_pb2 import (
    CheckpointRemoved,
    Completed,
    Failed,
    Outcome,
    Session,
    Stopped,
)
from tests.deciders.given import Decision, Given
from tests.deciders.sessions import (
    BADLY,
    ENDINGS,
    STARTED,
    STOP,
    WELL,
    allocated,
    end,
    queued,
    running,
    save,
    saved,
    start,
)


@pytest.mark.parametrize("attempt", [0, 2, 7])
@pytest.mark.parametrize("command", [start, lambda n: save(attempt=n), lambda n: end(attempt=n)])
@pytest.mark.parametrize("state", [queued(), allocated(), running(), running(ENDINGS[3])])
def test_only_the_current_attempt_speaks(
    state: Given[Session], command: object, attempt: int
) -> None:
    state.when(command(attempt)).refused(Superseded, "not the current one")  # type: ignore[operator]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("command", [start(), save()])
def test_an_ended_session_hears_no_more(ending: Message, command: Decision[Session]) -> None:
    running(ending).when(command).refused(Superseded, "has ended")


def test_the_users_code_starts_once() -> None:
    allocated().when(start()).then_once(STARTED)


def test_a_checkpoint_is_saved_once() -> None:
    running().when(save()).then_once(saved())


def test_a_checkpoint_takes_the_place_of_one_with_its_name() -> None:
    after = running(saved(), saved("11")).when(save(tree="newer")).then_once(saved(tree="newer"))

    assert [(kept.name, kept.tree) for kept in after.state.checkpoints] == [
        ("11", "t"),
        ("10", "newer"),
    ]


def test_what_comes_late_takes_no_newer_checkpoints_place() -> None:
    newer = running(saved(number=1), saved(tree="newer", number=2))

    newer.when(save(number=1)).then()
    newer.and_then(CheckpointRemoved(name="10")).when(save(number=1)).then()
    newer.when(save("11", number=3)).then_once(saved("11", number=3))


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\0"])
def test_a_checkpoint_has_a_name(name: str) -> None:
    running().when(save(name)).refused(Invalid, "checkpoint's name")


@pytest.mark.parametrize(
    ("outcome", "stopped", "ending"),
    [
        (WELL, False, Completed(attempt=1, outcome=WELL)),
        (BADLY, False, Failed(attempt=1, outcome=BADLY)),
        (
            Outcome(exit_code=0, message="Its output was lost."),
            False,
            Failed(attempt=1, outcome=Outcome(exit_code=0, message="Its output was lost.")),
        ),
        (Outcome(signal=9), False, Failed(attempt=1, outcome=Outcome(signal=9))),
        (Outcome(), False, Failed(attempt=1, outcome=Outcome())),
        (
            Outcome(signal=15, message="node down"),
            True,
            Stopped(attempt=1, reason="node down", outcome=Outcome(signal=15, message="node down")),
        ),
    ],
)
def test_a_session_ends_as_its_code_did(
    outcome: Outcome,
    stopped: bool,
    ending: Message,
) -> None:
    running().when(end(outcome, stopped=stopped)).then_once(ending)
    allocated().when(end(outcome, stopped=stopped)).then_once(ending)


def test_a_stopped_session_says_what_it_was_stopped_for() -> None:
    running(STOP).when(end(Outcome(signal=15), stopped=True)).then_once(
        Stopped(attempt=1, reason="enough", outcome=Outcome(signal=15))
    )


def test_code_that_ends_by_itself_while_it_is_stopped_has_completed() -> None:
    running(STOP).when(end()).then_once(ENDINGS[0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_first_word_about_the_end_counts(ending: Message) -> None:
    running(ending).when(end()).then()
