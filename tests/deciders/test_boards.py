"""Boards and contestants: when somebody may submit, and who is where."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nsml_core.errors import AlreadyExists, Exhausted, Invalid, Refused
from nsml_dataset import board as boards
from nsml_dataset import contestant, ranking
from nsml_dataset.board import BOARD
from nsml_dataset.contestant import CONTESTANT
from nsml_protos.board_pb2 import (
    PRIVATE_SHARE,
    PUBLIC_SHARE,
    Board,
    BoardFrozen,
    BoardMended,
    BoardOpened,
    BoardRevealed,
    BoardThawed,
    Cheered,
    CheerWithdrawn,
    Contestant,
    Rescored,
    Score,
    Share,
    SubmissionEntered,
    SubmissionFailed,
    SubmissionScored,
    Terms,
)
from nsml_protos.dataset_pb2 import Revision
from tests.deciders.given import NOON, Decision, given

TERMS = boards.filled(Terms(dataset="digits", failures=2))
OPENED = BoardOpened(name="digits", owner="ann", terms=TERMS, revision=Revision(number=1), key="k")
HOUR = timedelta(hours=1)


def board(**terms: Any) -> Board:
    asked = Terms()
    asked.CopyFrom(TERMS)
    asked.MergeFrom(Terms(**terms))
    return Board(name="digits", owner="ann", terms=asked, revision=Revision(number=1))


def entered(number: int, owner: str = "bob") -> SubmissionEntered:
    session = f"{owner}/digits/{number}"
    return SubmissionEntered(board="digits", owner=owner, id=str(number), session=session)


def scored(number: int, value: float = 0.5, private: float | None = None) -> SubmissionScored:
    return SubmissionScored(id=str(number), score=Score(value=value, private=private))


def failed(number: int) -> SubmissionFailed:
    return SubmissionFailed(id=str(number), reason="It failed.")


def enters(number: int, now: datetime, on: Board | None = None) -> Decision[Contestant]:
    return lambda state: contestant.enter(state, on or board(), entered(number), now)


def test_a_board_is_opened_once_and_by_the_same_request_again() -> None:
    given(BOARD).when(lambda state: boards.create(state, OPENED)).then_once(OPENED)
    other = BoardOpened(name="digits", owner="bob", key="other")
    given(BOARD, OPENED).when(lambda state: boards.create(state, other)).refused(
        AlreadyExists, "There is a board digits already"
    )


def test_it_is_frozen_thawed_revealed_and_mended() -> None:
    opened = given(BOARD, OPENED)
    frozen = opened.when(lambda state: boards.freeze(state, thaw=False)).then_once(BoardFrozen())
    frozen.when(lambda state: boards.freeze(state, thaw=True)).then_once(BoardThawed())
    revealed = frozen.when(boards.reveal).then_once(BoardRevealed())
    revealed.when(lambda state: boards.freeze(state, thaw=False)).refused(Refused, "is revealed")
    newer = Revision(number=2)
    mended = opened.when(lambda state: boards.change(state, None, newer))
    mended.then_once(BoardMended(revision=newer))


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"public_share": 1.0}, "above 0 and below 1"),
        ({"public_share": 0.5, "private_labels": "x"}, "not both"),
        ({"sandbox": "jail"}, "sandbox is docker"),
        ({"labels": "../x"}, "not a path inside"),
        ({"window_seconds": 1 << 31}, "at most a year"),
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        boards.check_terms(boards.filled(Terms(**terms)))


def test_names_that_are_words_of_the_command_are_refused() -> None:
    with pytest.raises(Invalid, match="no word of"):
        boards.key("verify")


def test_one_success_within_the_hour_and_the_rest_of_it_is_said() -> None:
    done = given(CONTESTANT, entered(1), scored(1))  # at noon, and a second later
    done.when(enters(2, NOON + timedelta(minutes=40, seconds=37))).refused(
        Exhausted, "Rate limit exceeded: remained time: 19m24s"
    )
    done.when(enters(2, NOON + HOUR + timedelta(seconds=1))).then_once(entered(2))


def test_of_two_at_once_one_gets_the_last_slot() -> None:
    pending = given(CONTESTANT, entered(1))
    pending.when(enters(2, NOON)).refused(Exhausted, "bob/digits/1 is being scored")
    pending.when(enters(2, NOON, board(successes=2))).then_once(entered(2))


def test_the_same_submission_takes_one_slot_under_whatever_name() -> None:
    again = entered(1)
    again.session = "bob/digits/9"
    pending = given(CONTESTANT, entered(1))
    pending.when(lambda state: contestant.enter(state, board(), again, NOON)).then_once(again)


def test_a_failure_frees_the_slot_until_there_are_too_many() -> None:
    once = given(CONTESTANT, entered(1), failed(1))
    twice = once.when(enters(2, NOON)).then_once(entered(2)).and_then(failed(2))
    twice.when(enters(3, NOON)).refused(Exhausted, "2 submissions have failed of late")
    twice.when(enters(3, NOON + HOUR + timedelta(seconds=5))).then_once(entered(3))


def test_a_clock_that_is_set_back_gives_no_slot_twice() -> None:
    done = given(CONTESTANT, entered(1), scored(1))
    done.when(enters(2, NOON - timedelta(days=30))).refused(Exhausted, "remained time: 1h0m0s")


def test_nobody_submits_before_it_opens_or_after_it_has_closed() -> None:
    terms = board()
    terms.terms.start.FromDatetime(NOON.replace(tzinfo=None))
    terms.terms.end.FromDatetime((NOON + HOUR).replace(tzinfo=None))
    fresh = given(CONTESTANT)
    fresh.when(enters(1, NOON - HOUR, terms)).refused(Refused, "opens at 2026-01-01 12:00:00 UTC")
    fresh.when(enters(1, NOON + HOUR, terms)).refused(Refused, "closed at")
    fresh.when(enters(1, NOON, terms)).then_once(entered(1))


def test_only_the_first_score_counts_and_only_of_what_still_runs() -> None:
    score = Score(value=0.5)

    def said(value: float) -> Decision[Contestant]:
        return lambda state: contestant.scored(state, "1", Score(value=value), "", 0)

    pending = given(CONTESTANT, entered(1))
    done = pending.when(said(0.5)).then_once(SubmissionScored(id="1", score=score))
    done.when(said(0.9)).then()
    pending.when(said(float("nan"))).refused(Invalid, "not a number")
    pending.and_then(failed(1)).when(said(0.5)).refused(Refused, "has ended: It failed")
    done.when(lambda state: contestant.failed(state, "1", "late")).then()


def test_a_mended_score_takes_the_place_and_the_old_one_stays() -> None:
    done = given(CONTESTANT, entered(1), scored(1, 0.5))
    new = Score(value=0.6, revision=2)
    after = done.when(lambda state: contestant.rescored(state, "1", new)).then_once(
        Rescored(id="1", score=new)
    )
    assert [score.value for score in after.state.submissions[0].scores] == [0.5, 0.6]


def cheers(by: str, *, is_own: bool = False, withdraw: bool = False) -> Decision[Contestant]:
    return lambda state: contestant.cheer(state, by, is_own=is_own, withdraw=withdraw)


def test_a_person_cheers_a_contestant_once_and_may_take_it_back() -> None:
    done = given(CONTESTANT, entered(1), scored(1))
    twice = done.when(cheers("ann")).then_once(Cheered(by="ann")).and_then(Cheered(by="eve"))
    assert twice.state.cheers == ["ann", "eve"]
    after = twice.when(cheers("ann", withdraw=True)).then_once(CheerWithdrawn(by="ann"))
    assert after.state.cheers == ["eve"]
    after.when(cheers("ann")).then_once(Cheered(by="ann"))


def test_nobody_cheers_themself_but_who_joined_since_takes_it_back() -> None:
    cheered = given(CONTESTANT, entered(1), scored(1), Cheered(by="ann"))
    cheered.when(cheers("bob", is_own=True)).refused(Refused, "nobody cheers themself")
    cheered.when(cheers("ann", is_own=True, withdraw=True)).then_once(CheerWithdrawn(by="ann"))


def test_a_ranking_says_how_many_cheer_and_whether_oneself_does() -> None:
    people = [person("ann", (5, 0.9, 0.1)), person("bob", (1, 0.2, 0.9))]
    CONTESTANT.evolve(people[1], Cheered(by="ann"), NOON)
    CONTESTANT.evolve(people[1], Cheered(by="eve"), NOON)
    frozen = [ranking.as_it_stood(one, NOON + HOUR) for one in people]
    for counted in (people, frozen):
        ranked = ranking.standings(board(), counted, PUBLIC_SHARE)
        shown = ranking.cheered(ranked, counted, "ann")
        assert [(one.owner, one.cheers, one.cheered) for one in shown] == [
            ("ann", 0, False),
            ("bob", 2, True),
        ]


def person(owner: str, *scores: tuple[int, float, float]) -> Contestant:
    """Somebody whose submissions were entered at such seconds, with these scores."""
    state = Contestant()
    for at, value, private in scores:
        for event in (entered(at, owner), scored(at, value, private)):
            CONTESTANT.evolve(state, event, NOON + timedelta(seconds=at))
    return state


def test_ties_go_to_who_was_first_and_lower_may_be_better() -> None:
    people = [person("ann", (5, 0.9, 0.1)), person("bob", (1, 0.2, 0.9), (2, 0.9, 0.2))]

    def order(on: Board, share: Share.ValueType = PUBLIC_SHARE) -> list[tuple[str, float]]:
        found = ranking.standings(on, people, share)
        return [(one.owner, one.score) for one in found]

    assert order(board()) == [("bob", 0.9), ("ann", 0.9)]
    assert order(board(direction=Terms.LOWER)) == [("bob", 0.2), ("ann", 0.9)]
    # The private ranking is of what was best in public.
    assert order(board(), PRIVATE_SHARE) == [("bob", 0.2), ("ann", 0.1)]


def test_it_is_shown_as_it_stood() -> None:
    one = person("bob", (1, 0.2, 0.9), (9, 0.9, 0.2))
    then = ranking.as_it_stood(one, NOON + timedelta(seconds=5))
    assert [each.id for each in then.submissions] == ["1"]
    assert ranking.as_it_stood(one, datetime(2020, 1, 1, tzinfo=UTC)).submissions == []
