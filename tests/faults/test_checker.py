"""The checker convicts: a history that is whole passes, and each that is broken does not."""

from dataclasses import replace

import pytest

from nsml_core.entry import Record
from nsml_protos import session_pb2 as pb
from tests.faults.checker import check
from tests.faults.handmade import (
    LINES,
    NAME,
    POINTS,
    Said,
    book,
    charged,
    commands,
    completed,
    frame,
    granted,
    held,
    log,
    placed,
    refunded,
    released,
    requested,
    saved,
    session,
    started,
    story,
    told,
    whole,
)
from tests.faults.history import Code, Command, History, Kind, Outcome, Table

OTHER = "bob/mnist/1"
LOST = session(pb.Lost(attempt=1), actor="service:scheduler", second=3.5)


def rules(history: History) -> set[str]:
    return {violation.rule for violation in check(history)}


def without(*numbers: int) -> list[Said]:
    """The story without some of its decisions."""
    return [said for at, said in enumerate(story()) if at not in numbers]


def test_a_whole_history_passes() -> None:
    assert check(whole()) == []


def altered(at: int) -> History:
    """One entry is another than the one that was written."""
    history = whole()
    entries = list(history.entries)
    other = log(replace(story()[at], actor="user:eve", id=f"id{at + 1}"))[0]
    entries[at] = Record(at + 1, other.subject, other.record.data).decode()
    return replace(history, entries=entries, archive=None)


def shortened() -> History:
    history = whole()
    return replace(history, entries=[*history.entries[:3], *history.entries[4:]], archive=None)


def test_a_log_that_was_changed_is_convicted() -> None:
    assert rules(altered(4)) == {"chain"}
    assert "no-gaps" in rules(shortened())
    twice = [replace(said, id="same") for said in story()[:2]]
    assert rules(told(*twice)) == {"decided-once"}


def test_copies_and_views_that_differ_are_convicted() -> None:
    history = whole()
    archive = list(history.archive or ())
    assert rules(replace(history, archive=archive[:-1])) == {"archive"}
    assert rules(replace(history, archive=[*archive, archive[0]._replace(sequence=99)])) == {
        "archive"
    }
    assert rules(replace(history, archive=[archive[0]._replace(data=b""), *archive[1:]])) == {
        "archive"
    }
    tables = [Table("session", "session", equal=False)]
    assert rules(replace(history, tables=tables)) == {"views"}


@pytest.mark.parametrize("at", range(len(commands())))
def test_a_lost_command_is_convicted(at: int) -> None:
    command = commands()[at]
    history = replace(told(session(requested(key="another"))), commands=[command])
    found = [violation for violation in check(history) if violation.rule == "commands"]
    assert len(found) == (0 if command.key == "stop-2" else 1)


def test_a_command_done_twice_is_convicted() -> None:
    twice = [session(requested(), name=NAME), session(requested(OTHER), name=OTHER)]
    for outcome in Outcome:
        ran = Command("ann", Kind.RUN, "run-1", "", outcome, NAME)
        assert "commands" in rules(replace(told(*twice), commands=[ran]))


def test_an_unknown_outcome_may_be_either() -> None:
    unknown = [replace(each, outcome=Outcome.UNKNOWN) for each in commands()]
    assert rules(replace(whole(), commands=unknown)) == set()
    assert "commands" not in rules(replace(told(book(granted())), commands=unknown[2:]))


def test_a_refused_command_that_was_done_is_convicted() -> None:
    refused = [replace(commands()[2], outcome=Outcome.REFUSED)]
    assert rules(replace(whole(), commands=refused)) == {"commands"}


def test_a_command_done_to_another_is_convicted() -> None:
    elsewhere = [replace(commands()[3], target=OTHER)]
    assert rules(replace(whole(), commands=elsewhere)) == {"commands"}


@pytest.mark.parametrize(
    "lived",
    [
        [session(started())],
        [session(requested()), session(requested())],
        [session(requested()), session(placed(2))],
        [session(requested()), session(placed()), session(completed())],
        [session(requested()), session(placed()), session(started()), session(started())],
        [session(requested()), session(placed()), session(started()), session(completed(2))],
        [*without(), session(pb.StopRequested(reason="late"))],
        [*without(), session(pb.CheckpointRemoved(name="1"))],
        [*without(), session(completed(), second=9)],
    ],
)
def test_an_impossible_life_is_convicted(lived: list[Said]) -> None:
    assert "life" in rules(told(*lived))


def test_a_device_held_twice_is_convicted() -> None:
    one, other = session(requested()), session(requested(OTHER, "k"), name=OTHER)
    place, again = session(placed()), session(placed(), name=OTHER)
    assert "devices" in rules(told(one, other, place, again))
    ended = session(pb.Lost(attempt=1))
    assert "devices" not in rules(told(one, other, place, ended, again))


def test_who_speaks_for_an_older_attempt_is_convicted() -> None:
    resumed = session(pb.Resumed(name=NAME, attempt=1))
    begun = [session(requested()), session(placed()), LOST, resumed, session(placed(2))]
    assert "fence" not in rules(told(*begun))
    assert "fence" in rules(told(*begun, session(started(2))))


def test_who_never_ends_is_convicted() -> None:
    assert "end" in rules(told(session(requested())))
    assert "end" in rules(told(*without(9, 10, 11)))


@pytest.mark.parametrize(
    ("rule", "booked"),
    [
        ("balance", [book(held())]),
        ("balance", [book(granted()), book(held(200_000))]),
        ("holds", [book(granted()), book(held())]),
        ("holds", [book(granted()), book(held()), book(released())]),
        ("holds", [book(granted()), book(held()), book(released(60_000), released(60_000))]),
        ("holds", [book(granted()), book(charged())]),
        ("charges", [book(granted()), book(held()), book(charged(), released())]),
    ],
)
def test_a_wrong_book_is_convicted(rule: str, booked: list[Said]) -> None:
    assert rule in rules(told(*booked))


def test_credit_from_nowhere_is_convicted() -> None:
    grant = granted()
    del grant.postings[0]
    assert rules(told(book(grant))) == {"balance"}


def test_a_wrong_charge_is_convicted() -> None:
    for wrong in ([charged(2_499), released(57_501)], [released(60_000)]):
        assert rules(told(*without(0, 10, 11), book(*wrong))) == {"charges"}


def test_parts_and_what_is_given_back_of_them_add_up() -> None:
    parts = [book(charged(1_000)), book(charged(2_000)), book(refunded(500), released())]
    assert rules(told(*without(0, 10, 11), *parts)) == set()
    parts = [book(charged(1_000)), book(charged(2_000)), book(refunded(499), released(57_499))]
    assert rules(told(*without(0, 10, 11), *parts)) == {"charges"}


def test_who_was_lost_is_charged_until_it_was_heard_last() -> None:
    lost = pb.Lost(attempt=1)
    lost.last_seen.CopyFrom(log(replace(LOST, second=2))[0].entry.time)
    ended = [*without(0, 9, 10, 11), session(lost, actor="service:scheduler", second=3.5)]
    assert rules(told(*ended, book(charged(), released()))) == {"charges"}
    assert rules(told(*ended, book(charged(1_000), released(59_000)))) == set()


def test_what_the_platform_itself_finds_is_a_violation() -> None:
    assert rules(replace(whole(), audit=["1 was charged too much"])) == {"audit"}
    assert rules(replace(whole(), findings=["it was altered"])) == {"verify"}


def test_lines_that_are_lost_doubled_or_disordered_are_convicted() -> None:
    history = whole()
    first, second = history.frames
    for frames in ([first], [first, first, second], [second, first], [first, second, second]):
        assert "lines" in rules(replace(history, frames=frames))
    gone = frame(2, LINES[1], POINTS[1])
    del gone.log[:]
    assert rules(replace(history, frames=[first, gone])) == {"lines"}
    assert rules(replace(history, frames=[first, replace_number(second, 3)])) == {"lines", "frames"}


def replace_number(given: pb.Frame, number: int) -> pb.Frame:
    other = pb.Frame()
    other.CopyFrom(given)
    other.number = number
    del other.log[:]
    return other


def test_points_that_are_lost_doubled_or_wrong_are_convicted() -> None:
    first, second = whole().frames
    for wrong in ((1.0, 7.0), (2.0, 1.5)):
        assert rules(replace(whole(), frames=[first, frame(2, LINES[1], wrong)])) == {"points"}
    doubled = frame(2, LINES[1], POINTS[1])
    doubled.points.MergeFrom(second.points)
    doubled.points.MergeFrom(second.points)
    assert rules(replace(whole(), frames=[first, doubled])) == {"points"}


def test_a_lost_checkpoint_is_convicted() -> None:
    assert rules(told(*without(7, 11))) == set()
    history = replace(told(*without(7, 11)), codes=[Code(NAME, 1, saved=("1",))])
    assert rules(history) == {"checkpoints"}
    twice = [*story()[:8], session(saved(), second=2), *story()[8:]]
    assert rules(replace(told(*twice), codes=[Code(NAME, 1, saved=("1",))])) == {"checkpoints"}


def test_of_a_lost_runner_what_came_before_a_moment_is_enough() -> None:
    lost = [*without(9, 10, 11), LOST, book(charged(), released())]
    noted = replace(told(*lost), codes=whole().codes)
    first, second = whole().frames
    for frames in ([], [first], [first, second]):
        assert rules(replace(noted, frames=frames)) == set()
    assert "lines" in rules(replace(noted, frames=[second]))


def test_what_came_before_its_note_is_no_lie() -> None:
    unnoted = replace(whole(), codes=[Code(NAME, 1, LINES[:1], POINTS[:1])])
    assert rules(unnoted) == set()
    assert "lines" in rules(replace(unnoted, codes=[Code(NAME, 1)]))
