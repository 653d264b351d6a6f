"""A session on several nodes: all of it starts, or nothing; who falls takes the others along."""

from datetime import timedelta

import pytest
from google.protobuf.message import Message

from nsml_core.errors import Refused, Superseded
from nsml_protos.session_pb2 import (
    Checkpoint,
    Completed,
    Failed,
    GangMember,
    Lost,
    MemberEnded,
    MemberLost,
    MemberReady,
    Outcome,
    Placed,
    Preempted,
    Requested,
    Resources,
    Resumed,
    Session,
    Spec,
    Started,
    Stopped,
    StopRequested,
)
from nsml_session import decide, gangs, loss
from nsml_session.state import SESSION
from tests.deciders.given import NOON, Decision, Given, given
from tests.deciders.sessions import BADLY, NAME, STOP, WELL, saved

NEED = Resources(gpus=1, nodes=2)
ROOM = (GangMember(node="a", devices=["0"]), GangMember(rank=1, node="b", devices=["3"]))
REQUESTED = Requested(name=NAME, owner="ann", spec=Spec(resources=NEED))
PLACED = Placed(attempt=1, node="a", devices=["0"], members=ROOM)
READY = (
    MemberReady(attempt=1, address="10.0.0.1", ports=[1, 2], environment="e", python="3.11"),
    MemberReady(attempt=1, rank=1, address="10.0.0.2", ports=[3, 4]),
)
STARTED = Started(attempt=1, environment="e", python="3.11")
KILLED = Outcome(signal=15)
ENDED = (MemberEnded(attempt=1, outcome=WELL), MemberEnded(attempt=1, rank=1, outcome=WELL))
FAILED = MemberEnded(attempt=1, rank=1, outcome=BADLY)
SENTENCE = f"rank 1 on b: {BADLY.message}"


def queued(*events: Message, restarts: int = 0) -> Given[Session]:
    requested = Requested()
    requested.CopyFrom(REQUESTED)
    requested.spec.restarts = restarts
    return given(SESSION, requested, *events)


def running(*events: Message, restarts: int = 0) -> Given[Session]:
    return queued(PLACED, *READY, STARTED, *events, restarts=restarts)


def ready(rank: int) -> Decision[Session]:
    return lambda state: decide.meet(state, attempt=1, rank=rank, ready=READY[rank])


def end(rank: int, outcome: Outcome = WELL, *, stopped: bool = False) -> Decision[Session]:
    return lambda state: decide.end(state, attempt=1, rank=rank, outcome=outcome, stopped=stopped)


def lose(rank: int, *, unheard: bool = False) -> Decision[Session]:
    return lambda state: loss.lose(
        state, attempt=1, rank=rank, reason="its runner is gone", unheard=unheard
    )


def ended(rank: int, outcome: Outcome = KILLED) -> MemberEnded:
    return MemberEnded(attempt=1, rank=rank, outcome=outcome, stopped=outcome == KILLED)


def lost(*, gone: bool = True, started: int = 4) -> MemberLost:
    """Rank 1 is lost, which was never heard since it started."""
    event = MemberLost(attempt=1, rank=1, reason="its runner is gone", gone=gone)
    event.last_seen.FromDatetime(NOON + timedelta(seconds=started))
    return event


GONE = Lost(attempt=1, reason="rank 1 on b: its runner is gone", last_seen=lost().last_seen)


def test_it_is_placed_on_as_many_nodes_as_it_needs() -> None:
    def place(*room: GangMember) -> Decision[Session]:
        return lambda state: decide.place(state, attempt=1, room=room)

    queued().when(place(*ROOM)).then_once(PLACED)
    queued().when(place(ROOM[0])).refused(Refused, "needs 2 nodes, all or none")


def test_it_starts_when_all_of_its_members_are_ready() -> None:
    waits = queued(PLACED).when(ready(0)).then_once(READY[0])
    assert not waits.state.attempts[0].HasField("started")

    runs = waits.when(ready(1)).then_once(READY[1], STARTED)
    assert [tuple(one.ports) for one in runs.state.attempts[0].members] == [(1, 2), (3, 4)]


def test_the_environment_is_that_of_rank_0_whoever_is_ready_last() -> None:
    queued(PLACED, READY[1]).when(ready(0)).then_once(READY[0], STARTED)


def test_no_member_starts_by_itself() -> None:
    queued(PLACED).when(lambda state: decide.start(state, attempt=1, environment="e")).refused(
        Refused, "starts when all of its members are ready"
    )


def test_it_has_ended_well_when_all_have() -> None:
    one = running().when(end(1)).then_once(ENDED[1])
    assert not gangs.why_it_ends(one.state)

    one.when(end(0)).then_once(ENDED[0], Completed(attempt=1, outcome=WELL))


def test_who_fails_has_the_others_stopped_and_is_named() -> None:
    falling = running().when(end(1, BADLY)).then_once(FAILED)
    assert gangs.why_it_ends(falling.state) == SENTENCE

    outcome = Outcome(exit_code=1, message=SENTENCE)
    falling.when(end(0, KILLED, stopped=True)).then_once(
        ended(0), Failed(attempt=1, outcome=outcome)
    )


def test_the_first_who_fails_is_named_though_others_fail_of_it() -> None:
    refused = Outcome(exit_code=1, message="connection refused")
    outcome = Outcome(exit_code=1, message=SENTENCE)

    running(FAILED).when(end(0, refused)).then_once(
        MemberEnded(attempt=1, outcome=refused), Failed(attempt=1, outcome=outcome)
    )


def test_its_output_is_that_of_rank_0() -> None:
    with_output = Outcome(exit_code=0, output_tree="tree")

    running(ENDED[1]).when(end(0, with_output)).then_once(
        MemberEnded(attempt=1, outcome=with_output), Completed(attempt=1, outcome=with_output)
    )


def test_one_that_is_lost_has_the_others_stopped_and_the_gang_is_lost() -> None:
    falling = running().when(lose(1)).then_once(lost())
    assert gangs.why_it_ends(falling.state) == "rank 1 on b: its runner is gone"

    falling.when(end(0, KILLED, stopped=True)).then_once(ended(0), GONE)


def test_a_loss_counts_before_the_failures_that_it_leads_to() -> None:
    broken = MemberEnded(attempt=1, outcome=BADLY)

    running(broken).when(lose(1)).then(
        lost(),
        GONE,
    )


def test_with_restarts_left_all_of_it_goes_on_from_its_checkpoint() -> None:
    falling = running(saved(), lost(), restarts=1)

    after = falling.when(end(0, KILLED, stopped=True)).then_once(
        ended(0),
        GONE,
        Resumed(
            name=NAME,
            owner="ann",
            resources=NEED,
            attempt=1,
            by_itself=True,
            start=_start(falling.state),
        ),
    )
    assert after.state.restarts == 1


def _start(state: Session) -> Checkpoint:
    return state.checkpoints[-1]


def test_one_on_a_node_that_is_not_heard_ends_it_only_once_that_is_known() -> None:
    cut_off = running().when(lose(1, unheard=True)).then_once(lost(gone=False))
    waits = cut_off.when(end(0, KILLED, stopped=True)).then_once(ended(0))

    waits.when(end(1, KILLED, stopped=True)).then_once(ended(1), GONE)  # it is heard again
    waits.when(lose(1)).then(lost(), GONE)  # its node has left for good


def test_a_stop_that_was_asked_for_stops_all_of_it() -> None:
    one = running(STOP).when(end(1, KILLED, stopped=True)).then_once(ended(1))

    one.when(end(0, KILLED, stopped=True)).then_once(
        ended(0), Stopped(attempt=1, reason="enough", outcome=KILLED)
    )


def test_one_whose_room_is_needed_waits_again_as_a_whole() -> None:
    asked = StopRequested(reason="room", actor="service:scheduler", requeue=True)
    stopping = running(asked, ended(1))
    kept = Preempted(attempt=1, reason="room", outcome=KILLED)
    kept.kept_until.CopyFrom(stopping.state.attempts[0].started)
    again = Resumed(
        name=NAME, owner="ann", resources=NEED, attempt=1, by_itself=True, preempted=True
    )

    stopping.when(end(0, KILLED, stopped=True)).then_once(ended(0), kept, again)


def test_who_is_lost_while_it_is_being_stopped_was_stopped() -> None:
    running(STOP, ended(0)).when(lose(1)).then_once(
        lost(started=4), Stopped(attempt=1, reason="enough", outcome=KILLED)
    )


@pytest.mark.parametrize(("rank", "why"), [(1, "has ended"), (2, "has no rank 2")])
def test_who_has_ended_may_not_speak_any_more(rank: int, why: str) -> None:
    with pytest.raises(Superseded, match=why):
        decide.check_attempt(running(ENDED[1]).state, 1, rank)


def test_only_rank_0_saves_checkpoints() -> None:
    def save(rank: int) -> Decision[Session]:
        point = Checkpoint(name="10", tree="t", step=10)
        return lambda state: decide.save_checkpoint(state, attempt=1, checkpoint=point, rank=rank)

    running().when(save(0)).then_once(saved())
    running().when(save(1)).refused(Refused, "Rank 0 saves the checkpoints of a gang")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_member_sees_its_own_node_and_devices(rank: int) -> None:
    state = running().state
    gangs.see_as(state, rank)

    seen = state.attempts[0]
    assert (seen.node, list(seen.devices)) == (ROOM[rank].node, list(ROOM[rank].devices))
