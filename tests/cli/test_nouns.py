"""`nsml dataset | model | credit | download`: what is listed and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_cli import complete
from nsml_protos import board_pb2, dataset_pb2, ledger_pb2, session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

MNIST = dataset_pb2.Dataset(
    name="mnist",
    owner="ann",
    private=True,
    description="digits",
    updated=Timestamp(seconds=1_800_000_000),
    revisions=[
        dataset_pb2.Revision(number=1, files=3, bytes=1024, pushed_by="ann"),
        dataset_pb2.Revision(number=2, files=60_000, bytes=2048, pushed_by="ann", message="more"),
    ],
)


def test_datasets_are_listed(peer: Peer, nsml: Run) -> None:
    peer.answer("Datasets/List", dataset_pb2.ListDatasetsReply(datasets=[MNIST]))

    head, line = nsml("dataset", "ls").out.splitlines()
    (shown,) = json.loads(nsml("dataset", "ls", "-j").out)

    assert head.split() == [
        *("Name", "Revision", "Files", "Size", "Updated", "Owner", "Access", "Description")
    ]
    assert line.split() == [
        *("mnist", "2", "60,000", "2.00", "KB"),
        *("2027-01-15T08:00:00.000Z", "ann", "private", "digits"),
    ]
    assert (shown["name"], shown["revision"], len(shown["revisions"])) == ("mnist", 2, 2)


@pytest.mark.parametrize(("typed", "pattern"), [("kin_*", "kin_*"), ("nis", "*nis*")])
def test_search(peer: Peer, nsml: Run, typed: str, pattern: str) -> None:
    peer.answer("Datasets/List", dataset_pb2.ListDatasetsReply())

    result = nsml("dataset", "search", typed)

    assert result.code == 3
    assert f"No dataset matches '{typed}'" in result.err
    assert peer.requests("Datasets/List")[0].pattern == pattern


def test_the_board_shows_revisions_and_who_used_them(peer: Peer, nsml: Run) -> None:
    used = session_pb2.Session(
        name="ann/mnist/1",
        status=session_pb2.EXITED,
        spec=session_pb2.Spec(datasets=[session_pb2.Mount(dataset="mnist", revision=2)]),
    )
    peer.answer("Datasets/Get", MNIST)
    peer.answer(
        "Sessions/List",
        session_pb2.ListSessionsReply(sessions=[session_pb2.SessionRow(session=used)]),
    )
    board = board_pb2.Board(name="race", terms=board_pb2.Terms(dataset="mnist"))
    peer.answer("Boards/List", board_pb2.ListBoardsReply(boards=[board]))
    place = board_pb2.Standing(rank=1, owner="ann", score=0.5, source="ann/mnist/1", checkpoint="3")
    peer.answer("Boards/Ranking", board_pb2.RankingReply(standings=[place]))

    out = nsml("dataset", "board", "mnist").out

    assert out.index("mnist@2") < out.index("mnist@1")
    assert "ann/mnist/1           Exited  2" in out
    assert "ann     0.5  ann/mnist/1/3" in out.partition("Leaderboard")[2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["push", "a b", "."], "no dataset name"),
        (["push", "x" * 21, "."], "no dataset name"),
        (["push", "mnist@2", "."], "leave out @2"),
        (["rm", "mnist@2"], "leave out @2"),
        (["pull", "mnist@x"], "no revision"),
    ],
)
def test_bad_names(peer: Peer, nsml: Run, arguments: list[str], sentence: str) -> None:
    result = nsml("dataset", *arguments)

    assert result.code == 2
    assert sentence in result.err
    assert peer.asked == []


def test_a_noun_alone_shows_its_commands(nsml: Run) -> None:
    result = nsml("dataset")

    assert result.code == 0
    assert "board" in result.out
    assert result.err == ""


SAVED = session_pb2.Session(
    name="ann/mnist/1",
    status=session_pb2.RUNNING,
    attempts=[session_pb2.Attempt(number=1, started=Timestamp(seconds=100))],
    checkpoints=[
        session_pb2.Checkpoint(name="best", saved=Timestamp(seconds=120), attempt=1, bytes=1024),
        session_pb2.Checkpoint(
            name="10",
            saved=Timestamp(seconds=106, nanos=261_000_000),
            attempt=1,
            summary={"epoch": 0, "loss": 2.5},
        ),
    ],
)


def test_models_are_listed_by_the_clock(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", SAVED)

    head, first, last = nsml("model", "ls", "mnist/1").out.splitlines()

    assert head.split() == ["Checkpoint", "Last", "Modified", "Elapsed", "Summary", "Size"]
    assert first.startswith("10          1970-01-01T00:01:46.261Z    6.261  epoch=0, loss=2.5")
    assert last.split()[0] == "best"


def test_a_model_that_is_not_there(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", SAVED)
    assert "has no model '99'" in nsml("model", "pull", "mnist/1", "99").err

    peer.answer("Sessions/Get", session_pb2.Session(name="ann/mnist/1"))
    assert "has saved no model yet" in nsml("model", "pull", "mnist/1").err


def test_what_is_in_the_way_stays(
    peer: Peer, nsml: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "ann_mnist_1" / "best" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    peer.answer("Sessions/Get", SAVED)
    peer.answer(
        "Datasets/Resolve",
        dataset_pb2.ResolveReply(dataset=MNIST, revision=MNIST.revisions[0]),
    )

    refused = nsml("model", "pull", "mnist/1", "best")
    too_much = nsml("dataset", "pull", "mnist", str(tmp_path), "-f")

    assert refused.code == too_much.code == 1
    assert "replace it with -f" in refused.err
    assert "holds more than this" in too_much.err
    assert mine.read_text() == "precious"


def test_output_of_one_that_runs(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", SAVED)
    assert nsml("download", "mnist/1").code == 1

    peer.answer("Sessions/Get", session_pb2.Session(name="ann/mnist/1", status=session_pb2.EXITED))
    result = nsml("download", "mnist/1")
    assert result.code == 3
    assert "wrote nothing to keep" in result.err


def test_credit_reads_as_scripts_expect(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Balance", ledger_pb2.Book(owner="ann", available=7_407_000, held=60_000))

    assert nsml("credit").out == "User : ann credit 123.45\n"
    assert "Held     1.00" in nsml("credit", "-v").out
    assert json.loads(nsml("credit", "-j").out) == {
        "user": "ann",
        "available_gpu_ms": 7_407_000,
        "held_gpu_ms": 60_000,
        "granted_gpu_ms": 0,
        "spent_gpu_ms": 0,
        "low_below_gpu_ms": None,
        "allowance": None,
    }


def test_the_history_names_session_and_interval(peer: Peer, nsml: Run) -> None:
    line = ledger_pb2.StatementLine(
        sequence=9,
        event="Charged",
        session="ann/mnist/1",
        attempt=2,
        started=Timestamp(seconds=1_800_000_000),
        ended=Timestamp(seconds=1_800_000_090),
        amount=90_000,
        available=-90_000,
        rate=1000,
    )
    peer.answer("Ledger/Statement", ledger_pb2.StatementReply(lines=[line]))

    shown = nsml("credit", "history", "-n", "1").out.splitlines()[1].split()
    (as_json,) = json.loads(nsml("credit", "history", "-j").out)

    assert shown == [
        *("Charged", "ann/mnist/1#2", "1.500", "-1.500", "1m", "30s", "2027-01-15T08:00:00.000Z")
    ]
    assert as_json["ended"] == "2027-01-15T08:01:30.000Z"
    assert [request.limit for request in peer.requests("Ledger/Statement")] == [1, 0]


@pytest.mark.parametrize("given", [{"name": "mnist/1"}, {}])
@pytest.mark.usefixtures("nsml")
def test_a_shell_is_offered_checkpoints(peer: Peer, given: dict[str, str]) -> None:
    points = [session_pb2.Checkpoint(name=name) for name in ("1", "best", "10")]
    spec = session_pb2.Spec(tags=["vision"])
    one = session_pb2.Session(name="ann/mnist/1", owner="ann", checkpoints=points, spec=spec)
    other = session_pb2.Session(name="ann/mnist/2", owner="ann", checkpoints=points[:1])
    rows = [session_pb2.SessionRow(session=each) for each in (one, other)]
    peer.answer("Sessions/List", session_pb2.ListSessionsReply(sessions=rows))
    context, nobody = click.Context(click.Command("fork")), click.Option(["-c"])
    context.params, context.args = dict(given), [] if given else ["ann/mnist/1"]

    assert complete.checkpoint_names(context, nobody, "1") == ["10", "1"]
    assert complete.checkpoint_ids(context, nobody, "mnist/1:b") == ["mnist/1:best"]
    assert complete.tags(context, nobody, "v") == ["vision"]
