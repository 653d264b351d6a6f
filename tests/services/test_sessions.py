"""Sessions as people ask for them: once a key, numbered without gaps, seen by their owner."""

import asyncio

import grpc
import pytest

from nsml_core.gate import POSITION
from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import Status
from tests.services.world import ANN, BOB, ROOT, World, refused, request

Code = grpc.StatusCode


async def test_the_same_key_is_the_same_session(world: World) -> None:
    first = await world.run(key="k", memo="one")
    again = await world.run(key="k", memo="two")
    others = await world.run(BOB, key="k")

    assert (again.name, again.memo) == (first.name, "one")
    assert others.name == "bob/None/1"


async def test_the_same_key_at_one_moment_is_the_same_session(world: World) -> None:
    found = await asyncio.gather(*(world.run(key="k") for _ in range(30)))

    assert {session.name for session in found} == {"ann/None/1"}


async def test_the_same_key_after_a_restart_is_the_same_session(world: World) -> None:
    first = await world.run(key="k")
    await world.stop("session")
    await world.start("session")

    assert (await world.run(key="k")).name == first.name
    assert (await world.run()).name == "ann/None/2"


async def test_a_request_broken_off_in_doubt_does_not_run_twice(world: World) -> None:
    call = world.sessions().Run(request(key="k"))
    await asyncio.sleep(0)
    call.cancel()

    first, second = await asyncio.gather(world.run(key="k"), world.run(key="k"))

    assert first.name == second.name
    await world.floors["session"].view.see_all()
    assert len((await world.sessions().List(pb.ListSessionsRequest(all=True))).sessions) == 1


async def test_many_at_once_get_consecutive_numbers(world: World) -> None:
    found = await asyncio.gather(*(world.run() for _ in range(200)))

    assert sorted(int(session.name.rpartition("/")[2]) for session in found) == list(range(1, 201))


async def test_a_refused_request_takes_no_number(world: World) -> None:
    async with refused(Code.INVALID_ARGUMENT, "at most 500"):
        await world.run(memo="x" * 501)
    async with refused(Code.INVALID_ARGUMENT, "No node has"):
        await world.run(resources=pb.Resources(gpus=9))
    async with refused(Code.NOT_FOUND, "no dataset"):
        await world.run(datasets=["mnist"])

    assert (await world.run()).name == "ann/None/1"


@pytest.mark.parametrize("key", ["a\0b", "x" * 101, "é"])
async def test_a_key_is_a_plain_word(world: World, key: str) -> None:
    async with refused(Code.INVALID_ARGUMENT, "key has at most"):
        await world.run(key=key)

    assert (await world.run(key="k")).name == "ann/None/1"


async def test_a_refusal_is_forgotten_with_its_key(world: World) -> None:
    async with refused(Code.INVALID_ARGUMENT, "at most 500"):
        await world.run(key="k", memo="x" * 501)

    assert (await world.run(key="k", memo="short")).memo == "short"


async def test_another_persons_session_is_not_there(world: World) -> None:
    name = (await world.run()).name
    theirs = world.sessions(BOB)
    calls = [
        theirs.Get(pb.SessionRef(name=name)),
        theirs.Stop(pb.StopRequest(name=name)),
        theirs.Remove(pb.RemoveSessionRequest(name=name, force=True)),
        theirs.SetMemo(pb.SetMemoRequest(name=name, memo="mine")),
        theirs.RemoveCheckpoint(pb.RemoveCheckpointRequest(name=name, checkpoint="1")),
        theirs.History(pb.HistoryRequest(name=name)),
        theirs.Metrics(pb.MetricsRequest(name=name)),
        theirs.Resume(pb.ResumeRequest(name=name)),
        theirs.Fork(pb.ForkRequest(session=name)),
    ]
    for call in calls:
        async with refused(Code.NOT_FOUND, f"There is no session {name}"):
            await call
    async with refused(Code.NOT_FOUND, f"There is no session {name}"):
        async for _ in theirs.Logs(pb.LogsRequest(name=name)):
            pass
    listed = await theirs.List(pb.ListSessionsRequest(all=True, owner="ann", pattern="ann/*"))

    assert not listed.sessions
    assert (await world.sessions().Get(pb.SessionRef(name=name))).memo == ""
    assert (await world.sessions(ROOT).Get(pb.SessionRef(name=name))).name == name


@pytest.mark.parametrize(
    "name", ["", "ann", "ann/None", "ann/None/1/2", "//", "ann//1", "ann/None/"]
)
async def test_what_is_no_name_of_a_session(world: World, name: str) -> None:
    async with refused(Code.INVALID_ARGUMENT, "not a session's name"):
        await world.sessions().Get(pb.SessionRef(name=name))


@pytest.mark.parametrize("name", ["ann/None/2", "ann/*/1", "ann/>/1", "ann/No ne/1", "ann/é/1"])
async def test_a_name_that_is_nobodys(world: World, name: str) -> None:
    await world.run()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.sessions().Get(pb.SessionRef(name=name))

    assert caught.value.code() in {Code.NOT_FOUND, Code.INVALID_ARGUMENT}


async def test_what_i_wrote_i_see(world: World) -> None:
    sessions = world.sessions()
    for number in range(1, 21):
        call = sessions.Run(request())
        await call
        trailing = await call.trailing_metadata()
        position = next(value for key, value in trailing if key == POSITION)
        assert position.startswith("session=")

        listed = await sessions.List(pb.ListSessionsRequest(), metadata=((POSITION, position),))

        assert len(listed.sessions) == number


async def test_a_position_that_is_nonsense_is_no_position(world: World) -> None:
    for position in ("", "session", "session=x", "ledger=999999", "=,=,"):
        await world.sessions().List(pb.ListSessionsRequest(), metadata=((POSITION, position),))


async def test_a_session_is_listed_as_it_is_asked_for(world: World) -> None:
    tags: tuple[list[str], ...] = ([], ["vision", "a_b"], ["sound"], ["vision"])
    names = [(await world.run(tags=each)).name for each in tags]
    await world.sessions().Stop(pb.StopRequest(name=names[0]))
    await world.floors["session"].view.see_all()

    async def listed(**asked: object) -> list[str]:
        reply = await world.sessions().List(pb.ListSessionsRequest(**asked))  # type: ignore[arg-type]
        return [row.session.name for row in reply.sessions]

    assert await listed() == names[:0:-1]
    assert await listed(all=True) == names[::-1]
    assert await listed(all=True, limit=2) == names[:1:-1]
    assert await listed(all=True, pattern="ann/None/?") == names[::-1]
    assert await listed(all=True, pattern="ann/No_e/*") == []
    assert await listed(all=True, dataset="mnist") == []
    assert await listed(tag="vision") == [names[3], names[1]]
    assert await listed(tag="v*", limit=1) == [names[3]]
    assert await listed(all=True, tag="a?b") == [names[1]]
    assert await listed(all=True, tag="*ion") == [names[3], names[1]]


async def test_a_stopped_session_is_removed_and_never_seen_again(world: World) -> None:
    name = (await world.run()).name
    async with refused(Code.FAILED_PRECONDITION, "has not ended"):
        await world.sessions().Remove(pb.RemoveSessionRequest(name=name))

    await world.sessions().Remove(pb.RemoveSessionRequest(name=name, force=True))

    async with refused(Code.NOT_FOUND, "no session"):
        await world.sessions().Get(pb.SessionRef(name=name))
    assert (await world.run()).name == "ann/None/2"


async def test_a_history_tells_who_did_what(world: World) -> None:
    name = (await world.run()).name
    ref = await world.started(name)
    await world.ended(ref)

    lines = (await world.sessions().History(pb.HistoryRequest(name=name))).lines

    assert [(line.event, line.actor) for line in lines] == [
        ("Requested", "user:ann"),
        ("Placed", "service:scheduler"),
        ("Started", f"runner:{name}#1"),
        ("Completed", f"runner:{name}#1"),
    ]
    sequences = [line.sequence for line in lines]
    assert sequences == sorted(sequences)


async def test_a_runner_speaks_for_its_own_attempt(world: World) -> None:
    mine, other = (await world.run()).name, (await world.run()).name
    for name in (mine, other):
        await world.placed(name)
    wrong = [pb.AttemptRef(name=other, attempt=1), pb.AttemptRef(name=mine, attempt=2)]
    runner = world.attempts(mine)
    for ref in wrong:
        for call in (
            runner.Begin(ref),
            runner.Start(pb.StartRequest(ref=ref)),
            runner.SaveCheckpoint(pb.SaveCheckpointRequest(ref=ref)),
            runner.FindCheckpoint(pb.FindCheckpointRequest(ref=ref)),
            runner.End(pb.EndRequest(ref=ref)),
        ):
            async with refused(Code.PERMISSION_DENIED, "This token speaks for"):
                await call

    assert (await runner.Begin(pb.AttemptRef(name=mine, attempt=1))).session.name == mine
    assert (await world.sessions().Get(pb.SessionRef(name=other))).status == Status.ALLOCATED


async def test_an_attempt_that_was_given_up_is_refused(world: World) -> None:
    name = (await world.run()).name
    ref = await world.started(name)
    await world.placements().Lose(pb.LoseRequest(name=name, attempt=1, reason="gone"))
    runner = world.attempts(name)

    for call in (runner.Begin(ref), runner.Start(pb.StartRequest(ref=ref))):
        async with refused(Code.ABORTED, "has ended: LOST"):
            await call
    orders = [order async for order in runner.Link(iter([pb.Frame(number=1)]))]
    assert [order.WhichOneof("order") for order in orders] == ["superseded"]
    await runner.End(pb.EndRequest(ref=ref, outcome=pb.Outcome(exit_code=0)))
    assert (await world.sessions().Get(pb.SessionRef(name=name))).status == Status.LOST


async def test_an_attempt_before_a_resumed_one_is_refused(world: World) -> None:
    name = (await world.run()).name
    old = await world.started(name)
    await world.placements().Lose(pb.LoseRequest(name=name, attempt=1, reason="gone"))
    await world.sessions().Resume(pb.ResumeRequest(name=name, from_start=True))
    runner = world.attempts(name)

    for state in (Status.QUEUED, Status.ALLOCATED):
        for call in (runner.Begin(old), runner.End(pb.EndRequest(ref=old))):
            async with refused(Code.ABORTED, "not the current one"):
                await call
        assert (await world.sessions().Get(pb.SessionRef(name=name))).status == state
        await world.placed(name, attempt=2)


@pytest.mark.parametrize("name", ["bob/None/1", "ann/*/1", "ann/>", "nothing", "a b/c/\n", "../.."])
async def test_a_runner_finds_checkpoints_of_its_owner_only(world: World, name: str) -> None:
    theirs = await world.started((await world.run(BOB)).name)
    checkpoint = pb.Checkpoint(name="1", tree="t")
    save = pb.SaveCheckpointRequest(ref=theirs, checkpoint=checkpoint)
    await world.attempts(theirs.name).SaveCheckpoint(save)
    mine = await world.started((await world.run()).name)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.attempts(mine.name).FindCheckpoint(
            pb.FindCheckpointRequest(ref=mine, session=name, checkpoint="1")
        )

    assert caught.value.code() in {Code.NOT_FOUND, Code.INVALID_ARGUMENT}


async def test_a_checkpoint_is_found_by_another_session_of_the_same_owner(world: World) -> None:
    first = await world.started((await world.run()).name)
    save = pb.SaveCheckpointRequest(
        ref=first, checkpoint=pb.Checkpoint(name="1", tree="t", bytes=7)
    )
    await world.attempts(first.name).SaveCheckpoint(save)
    second = await world.started((await world.run()).name)

    found = await world.attempts(second.name).FindCheckpoint(
        pb.FindCheckpointRequest(ref=second, session=first.name)
    )

    assert (found.name, found.tree, found.attempt) == ("1", "t", 1)
    await world.floors["session"].view.see_all()
    rows = (await world.sessions(ANN).List(pb.ListSessionsRequest(pattern=first.name))).sessions
    assert [row.checkpoint_bytes for row in rows] == [7]


async def test_a_device_that_is_held_is_given_to_nobody_else(world: World) -> None:
    holder, other, third = [(await world.run()).name for _ in range(3)]
    await world.placed(holder, device="0")
    await world.placed(holder, device="0")  # asked twice
    for _ in range(2):
        async with refused(Code.FAILED_PRECONDITION, f"held by {holder}"):
            await world.placed(other, device="0")
        await world.stop("session")  # as it is killed, its successor knows as much
        await world.start("session")
    both = await asyncio.gather(
        *(world.placed(name, device="1") for name in (other, third)), return_exceptions=True
    )
    assert [isinstance(answer, grpc.aio.AioRpcError) for answer in both].count(True) == 1

    await world.ended(pb.AttemptRef(name=holder, attempt=1), exit_code=1)
    waiting = third if both[0] is None else other
    await world.placed(waiting, device="0")
