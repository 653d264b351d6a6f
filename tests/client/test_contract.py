"""What both clients promise, held against a whole platform."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nsml.client import errors
from nsml_client.credit import in_credits
from nsml_protos.session_pb2 import RAISED, RETURNED
from tests.client.conftest import listed, told
from tests.platform.platforms import COUNT, Platform

TRAINING = """
import pathlib, sys
import nsml
from nsml import records

def save(folder):
    (pathlib.Path(folder) / "model").write_text("weights")

def load(folder):
    print("taken up", (pathlib.Path(folder) / "model").read_text())

nsml.bind(save=save, load=load)
nsml.paused()
print("arguments", *sys.argv[1:])
print("a warning", file=sys.stderr)
for step in range(3):
    nsml.report(step=step, summary=True, train__loss=1 / (step + 1), accuracy=step / 2)
records.text("remark", "well done", step=2)
nsml.save("best")
(pathlib.Path(nsml.OUTPUT_PATH) / "notes.txt").write_text("noted")
"""
FAILING = "import sys\nprint('going wrong', file=sys.stderr)\nsys.exit(3)\n"
REPORTING = """
import time
import nsml

rate = 0.1
print("begun", flush=True)
for step in range(100_000):
    nsml.report(step=step, loss=rate, scope=globals())
    time.sleep(0.05)
"""
WAITING = "import time\nprint('begun', flush=True)\ntime.sleep(3600)\n"


async def test_datasets(client: Any, folder: Path, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    first = await told(client.datasets.push(name, folder, description="letters", message="one"))
    again = await told(client.datasets.push(name, folder))
    (folder / "b.txt").write_text("b")
    second = await told(client.datasets.push(name, folder))
    known = await told(client.datasets.get(name))
    whole = await told(client.datasets.pull(name, folder / "whole"))
    old = await told(client.datasets.pull(f"{name}@1", folder / "old"))

    assert (str(first), first.unchanged, first.revision.files) == (f"{name}@1", False, 1)
    assert (str(again), again.unchanged) == (f"{name}@1", True)
    assert (known.description, len(known.revisions)) == ("letters", 2)
    assert [one.name for one in await told(client.datasets.ls(f"{name[:4]}*"))] == [name]
    assert (str(whole), sorted(each.name for each in whole.path.iterdir())) == (
        str(second),
        ["a.txt", "b.txt"],
    )
    assert [each.name for each in old.path.iterdir()] == ["a.txt"]

    with pytest.raises(errors.Refused, match="is there already"):
        await told(client.datasets.pull(name, old.path))
    await told(client.datasets.pull(name, old.path, force=True))
    assert len(list(old.path.iterdir())) == 2

    await told(client.datasets.rm(name))
    with pytest.raises(errors.NotFound):
        await told(client.datasets.get(name))


async def test_a_run_and_what_came_of_it(client: Any, here: Platform, tmp_path: Path) -> None:
    code = here.code(TRAINING)
    session = await told(client.sessions.run(code, args="--lr 0.1", memo="first", tags=["a"]))
    assert session.is_live
    await told(session.wait(timeout=120))

    assert (session.status, session.exit_code, session.info.memo) == ("Exited", 0, "first")
    assert [*session.info.spec.tags] == ["a"]
    lines = await listed(session.logs())
    assert [line.text for line in await listed(session.logs(grep="warn", streams=["stderr"]))] == [
        "a warning"
    ]
    assert [line.text for line in await listed(session.logs(tail=1, streams=["stdout"]))] == [
        "arguments --lr 0.1"
    ]
    said = [(line.stream, line.text) for line in lines if line.stream.startswith("std")]
    assert sorted(said) == [("stderr", "a warning"), ("stdout", "arguments --lr 0.1")]
    assert [point.name for point in session.checkpoints] == ["best"]
    assert await told(session.summary()) == {"accuracy": 1.0, "train/loss": pytest.approx(1 / 3)}

    model = await told(session.pull_model(path=tmp_path))
    assert (model / "model").read_text() == "weights"
    brought = await told(session.pull_code(tmp_path))
    assert (brought / "main.py").read_text() == TRAINING
    single = await told(session.download(tmp_path, single="notes.txt"))
    assert single.read_text() == "noted"
    assert (await told(session.history()))[0].event == "Requested"
    assert session.name in [one.name for one in await told(client.sessions.ls())]


async def test_metrics_are_columns(client: Any, here: Platform) -> None:
    session = await told(client.sessions.run(here.code(TRAINING)))
    await told(session.wait())

    whole = await told(session.metrics())
    part = await told(session.metrics("train/*", from_step=1))
    few = await told(session.metrics("accuracy", buckets=1))
    (series,) = await told(session.series("accuracy"))

    assert list(whole["series"]) == ["accuracy"] * 3 + ["train/loss"] * 3
    assert list(whole["step"]) == [0, 1, 2] * 2
    assert all(moment.tzinfo for moment in whole["time"])
    assert list(part["value"]) == [1 / 2, 1 / 3]
    assert [list(few[name]) for name in ("min", "max", "count")] == [[0.0], [1.0], [3]]
    assert (list(series.steps), list(series.values)) == ([0, 1, 2], [0.0, 0.5, 1.0])

    watched = await listed(session.watch_metrics("accuracy"))
    assert [value for news in watched for each in news.series for value in each.values] == [
        *series.values
    ]
    (record,) = await listed(session.records("rem*"))
    assert (record.name, record.step, record.data) == ("remark", 2, b"well done")


async def test_what_is_made_of_a_session(client: Any, here: Platform) -> None:
    session = await told(client.sessions.run(here.code(TRAINING), seed=1, config={"lr": 1}))
    await told(session.wait())
    await told(session.resume())
    await told(session.wait())
    fork = await told(session.fork(args=["--other"], memo="a fork", config={"lr": 2}))
    replay = await told(session.replay())
    await told(fork.wait())
    await told(replay.wait())

    texts = [line.text for line in await listed(session.logs())]
    assert "taken up weights" in texts
    assert list(fork.info.spec.args) == ["--other"]
    assert (replay.config, fork.config, fork.params) == ({"lr": 1}, {"lr": 2}, {})
    assert {one.name for one in await told(fork.family())} == {
        session.name,
        fork.name,
        replay.name,
    }
    found = await told(session.compare(replay))
    assert (found.verdict, found.checkpoints, found.points) == ("identical", 1, 6)
    assert (await told(session.compare(fork))).differences[0].startswith("Args: ")

    await told(fork.set_memo("renamed"))
    assert (await told(fork.refresh())).info.memo == "renamed"
    await told(fork.remove_model("best"))
    with pytest.raises(errors.NotFound, match="saved no model"):
        await told(fork.pull_model())
    await told(fork.remove())
    with pytest.raises(errors.NotFound):
        await told(client.sessions.get(fork.name))


async def test_waiting_and_stopping(client: Any, here: Platform) -> None:
    holder = await told(client.sessions.run(here.code(WAITING), gpus=2))
    while (await told(holder.refresh())).status != "Running":
        await asyncio.sleep(0.05)
    waiter = await told(client.sessions.run(here.code(WAITING), gpus=1))
    with pytest.raises(TimeoutError, match="has not ended"):
        await told(waiter.wait(timeout=0))

    why = await told(waiter.why())
    assert (waiter.status, why.ahead) == ("Queued", [])
    assert [work.session for use in why.cluster.nodes for work in use.running] == [holder.name]

    for session in (waiter, holder):
        await told(session.stop("enough"))
        await told(session.wait())
        assert (session.status, session.info.stop_reason) == ("Stopped", "enough")


async def test_python_is_evaluated_in_a_running_session(client: Any, here: Platform) -> None:
    session = await told(client.sessions.run(here.code(REPORTING), gpus=0))
    begun = session.logs(follow=True)
    assert (await anext(begun) if hasattr(begun, "__aiter__") else next(begun)).text == "begun"

    found = await told(session.eval("print('rate', rate)\nrate * 2"))
    wrong = await told(session.eval("none"))
    await told(session.stop())
    await told(session.wait())

    assert (found.evaluation, found.output, found.value) == (RETURNED, "rate 0.1\n", "0.2")
    assert wrong.evaluation == RAISED
    assert "NameError" in wrong.error
    with pytest.raises(errors.Refused):
        await told(session.eval("rate"))


async def test_why_it_failed(client: Any, here: Platform) -> None:
    session = await told(client.sessions.run(here.code(FAILING), gpus=0))
    await told(session.wait())
    why = await told(session.why())

    assert (session.status, session.exit_code) == ("Failed", 3)
    assert why.reason == "going wrong"
    assert why.stderr == ["going wrong"]


async def test_who_asks_and_what_there_is(client: Any, request: pytest.FixtureRequest) -> None:
    bob = request.node.callspec.id  # nothing runs in this name
    book = await told(client.credit.grant(bob, "0.5", reason="a present", key=bob))
    again = await told(client.credit.grant(bob, "0.5", reason="a present", key=bob))
    allowed = await told(client.credit.set_allowance(bob, 2, every="week"))
    lines = await told(client.credit.history(bob))

    assert ((await told(client.whoami())).name, client.user) == ("ann", "ann")
    assert len((await told(client.cluster())).nodes[0].node.devices) == 2
    assert await told(client.sessions.default_gpus()) == 1
    assert in_credits(book.available) == in_credits(again.available) == Decimal("0.5")
    assert in_credits(allowed.allowance.amount) == 2
    assert (lines[-1].event, lines[-1].reason) == ("Granted", "a present")
    assert (await told(client.credit.balance(bob))).available == allowed.available


async def test_care(client: Any) -> None:
    verified = await listed(client.admin.verify_log("ledger"))
    rebuilt = await told(client.admin.rebuild_views("ledger", check=True))
    audited = await listed(client.admin.audit())

    assert not [finding for reply in verified for finding in reply.findings]
    assert rebuilt.tables
    assert all(table.equal for table in rebuilt.tables)
    assert not [each for reply in audited for each in reply.differences]


async def test_bad_input_is_refused(client: Any, here: Platform, tmp_path: Path) -> None:
    code = here.code("def broken(:\n")
    with pytest.raises(errors.NotFound, match="There is no entry"):
        await told(client.sessions.run(code, entry="none.py"))
    with pytest.raises(errors.Invalid, match="does not compile"):
        await told(client.sessions.run(code))
    with pytest.raises(errors.Rejected, match="No node has"):
        await told(client.sessions.run(here.code("1"), gpus=9))
    with pytest.raises(errors.NotFound):
        await told(client.sessions.run(here.code("1"), datasets="none"))
    with pytest.raises(errors.Invalid, match="no session name"):
        await told(client.sessions.get("none"))
    with pytest.raises(errors.Invalid, match="The folder is empty"):
        await told(client.datasets.push("empty", tmp_path))
    with pytest.raises(errors.Invalid, match="There is no service 'none'"):
        await told(client.admin.rebuild_views("none"))


async def test_a_service_that_is_away_is_waited_for(client: Any, here: Platform) -> None:
    go = here.folder / "may-end-away"
    go.unlink(missing_ok=True)
    session = await told(client.sessions.run(here.code(COUNT), args=[str(go)], gpus=0))
    assert await told(client.sessions.ls())

    here.kill("session", meanwhile=go.touch)
    await told(session.wait())

    assert session.status == "Exited"
    assert session.name in [one.name for one in await told(client.sessions.ls())]
