"""`nsml run`: what is checked, what is sent, what is asked for."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from nsml_core import errors
from nsml_protos import ledger_pb2, scheduler_pb2, session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of code to be in."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    monkeypatch.chdir(folder)
    return folder


def started(_request: session_pb2.RunRequest) -> session_pb2.RunReply:
    return session_pb2.RunReply(session=session_pb2.Session(name="ann/mnist/1"))


@pytest.mark.usefixtures("store", "code")
def test_who_runs_on_little_credit_is_told(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Run", started)
    said = "Session ann/mnist/1 is started\n"
    peer.answer("Ledger/Balance", ledger_pb2.Book(available=300_000, low_below=3_600_000))
    low = "Low credit: 5.00 left, less than 60.00; `nsml credit history` shows where it went.\n"

    assert nsml("run", "-g", "1") == (0, said, low)
    assert nsml("run", "-g", "0") == (0, said, "")
    peer.answer("Ledger/Balance", errors.Unavailable("The ledger is away."))
    away = nsml("run", "-g", "1")

    assert (away.code, away.out) == (0, said)
    assert away.err == "How much credit is left is not known: The ledger is away.\n"


def cluster(devices: int) -> scheduler_pb2.ClusterReply:
    node = scheduler_pb2.Node(name="box", devices=[scheduler_pb2.Device(id="0")] * devices)
    return scheduler_pb2.ClusterReply(nodes=[scheduler_pb2.NodeUse(node=node)])


@pytest.mark.usefixtures("store", "code")
def test_all_that_was_typed_is_asked_for(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Run", started)
    peer.answer("Ledger/Balance", ledger_pb2.Book(owner="ann"))

    result = nsml(
        *("run", "-d", "mnist@3", "-d", "extra", "-g", "2", "-c", "4", "--memory", "8G"),
        *("-a", "--lr 0.1 --name 'a b'", "-m", "a memo", "--env", "A=1", "--env", "B=x=y"),
        "--nfs-output",
        *("--seed", "7"),
        *("--image", "python:3.12", "--registry", "lab", "--no-network", "--root"),
        *("--shm-size", "1G", "--disk", "2G"),
    )

    assert result == (0, "Session ann/mnist/1 is started\n", "")
    (request,) = peer.requests("Sessions/Run")
    assert len(request.code_tree) == 64
    assert len(request.key) == 32
    request.ClearField("code_tree")
    request.ClearField("key")
    assert request == session_pb2.RunRequest(
        datasets=["mnist@3", "extra"],
        code_bytes=len("print('hello')\n"),
        entry="main.py",
        args=["--lr", "0.1", "--name", "a b"],
        env={"A": "1", "B": "x=y", "NSML_NFS_OUTPUT": "1"},
        resources=session_pb2.Resources(gpus=2, cpus=4, memory_bytes=8 << 30),
        memo="a memo",
        seed=7,
        image="python:3.12",
        registry="lab",
        no_network=True,
        root=True,
        shm_bytes=1 << 30,
        disk_bytes=2 << 30,
        priority=session_pb2.NORMAL,
    )


@pytest.mark.usefixtures("store", "code")
@pytest.mark.parametrize(("devices", "gpus"), [(0, 0), (1, 1), (8, 1)])
def test_one_gpu_where_there_are_any(peer: Peer, nsml: Run, devices: int, gpus: int) -> None:
    peer.answer("Sessions/Run", started)
    peer.answer("Scheduler/Cluster", cluster(devices))

    assert nsml("run").code == 0
    assert peer.requests("Sessions/Run")[0].resources.gpus == gpus


@pytest.mark.usefixtures("store", "code")
@pytest.mark.parametrize(
    "error",
    [
        errors.Exhausted("NOT_ENOUGH_CREDIT: no credit is left."),
        errors.Invalid("No node has 9 GPUs."),
        errors.Refused("Not now."),
    ],
)
def test_a_rejection_reads_as_scripts_expect(peer: Peer, nsml: Run, error: errors.Error) -> None:
    peer.answer("Sessions/Run", error)

    assert nsml("run", "-g", "1") == (1, "", f"Rejected: {error.sentence}\n")


@pytest.mark.usefixtures("store", "code")
def test_an_unknown_dataset_is_not_found(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Run", errors.NotFound("There is no dataset x."))

    assert nsml("run", "-g", "0", "-d", "x") == (3, "", "Error: There is no dataset x.\n")


@pytest.mark.usefixtures("store", "code")
def test_old_options_are_taken_and_said_to_do_nothing(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Run", started)
    old = ("--gpu-model", "P40", "-n", "1", "--esm", "1")

    said = nsml("run", "-g", "0", *old).err
    silent = nsml("run", "-g", "0", *old, "--hide-client-log")

    assert [line.split()[0] for line in said.splitlines()] == [
        "--gpu-model",
        "--esm",
    ]
    assert silent == (0, "Session ann/mnist/1 is started\n", "")


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    ("arguments", "code_", "sentence"),
    [
        (["-e", "none.py"], 3, "There is no entry 'none.py'"),
        (["-e", "../main.py"], 2, "is outside of this folder"),
        (["-e", "/etc/passwd"], 2, "is outside of this folder"),
        (["-e", "."], 3, "There is no entry '.'"),
        (["-e", "broken.py"], 2, "broken.py line 2 does not compile"),
        (["-e", "null.py"], 2, "null.py does not compile"),
        (["-g", "-1"], 2, "'--gpus'"),
        (["-g", "two"], 2, "'two' is no whole number"),
        (["-g", "9" * 20], 2, "is not between 0 and"),
        (["--memory", "9" * 20 + "T"], 2, "write it like 512M or 8G"),
        (["-m", "\udcff"], 2, "is not UTF-8"),
        (["-c", "0"], 2, "'--cpus'"),
        (["--memory", "8X"], 2, "no size"),
        (["-d", "a b"], 2, "no dataset name"),
        (["-d", "x" * 21], 2, "no dataset name"),
        (["--env", "A"], 2, "KEY=VALUE"),
        (["-a", "'x"], 2, "close the quotes"),
        (["-n", "0"], 2, "'--nodes'"),
        (["extra"], 2, "is no override: write KEY=VALUE"),
    ],
)
def test_bad_input_sends_nothing(
    peer: Peer, nsml: Run, code: Path, arguments: list[str], code_: int, sentence: str
) -> None:
    (code / "broken.py").write_text("x = 1\ny = (\n")
    (code / "null.py").write_bytes(b"x = '\0'\n")

    result = nsml("run", *arguments)

    assert (result.code, result.out) == (code_, "")
    assert sentence in result.err
    assert result.err.count("\n") == 1
    assert peer.asked == []


@pytest.mark.usefixtures("store")
def test_an_entry_that_is_left_out_is_told(peer: Peer, nsml: Run, code: Path) -> None:
    (code / ".nsmlignore").write_text("*.py\n")

    result = nsml("run", "-g", "0")

    assert result.code == 2
    assert "'main.py' is left out" in result.err
    assert peer.requests("Sessions/Run") == []


@pytest.mark.usefixtures("code")
def test_the_store_is_away(peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_DATASET_ADDRESS", f"unix:{peer.home}/none.sock")

    result = nsml("run", "-g", "0")

    assert result.code == 5
    assert "The dataset service does not answer" in result.err


def test_limits_and_defaults_are_shown(nsml: Run) -> None:
    assert nsml("run", "--show-limits").out.startswith("Files  10000\n")
    assert ".git/\n" in nsml("run", "--show-default-nsmlignore").out


@pytest.mark.usefixtures("store")
def test_a_token_is_pointed_out_and_not_printed(peer: Peer, nsml: Run, code: Path) -> None:
    peer.answer("Sessions/Run", started)
    (code / "nsml_package.txt").write_text("#registry bob s3cr3t hub.example.com\nffmpeg\n")

    told = nsml("run", "-g", "0")
    (code / ".nsmlignore").write_text("nsml_package.txt\n")

    assert told.code == 0
    assert "nsml_package.txt holds a registry's token" in told.err
    assert "s3cr3t" not in told.err + told.out
    assert nsml("run", "-g", "0").err == ""


RAN = session_pb2.Spec(
    datasets=[session_pb2.Mount(dataset="mnist", revision=2)],
    entry="train.py",
    args=["--note", "it's", "lr=2"],
    env={"A": "b c", "NSML_NFS_OUTPUT": "1"},
    resources=session_pb2.Resources(gpus=2, cpus=4, memory_bytes=1 << 30),
    tags=["vision"],
    seed=7,
    config='{"lr": 1}',
    image="python:3.12",
    no_network=True,
)


def test_the_line_that_runs_a_session_like_one(peer: Peer, nsml: Run) -> None:
    one = session_pb2.Session(name="ann/mnist/1", owner="ann", memo="try", spec=RAN)
    peer.answer("Sessions/Get", one)

    code, out, err = nsml("command", "mnist/1")

    assert (code, shlex.split(out)) == (
        0,
        [
            *("nsml", "run", "-d", "mnist@2", "-e", "train.py", "-g", "2", "--cpus", "4"),
            *("--memory", "1073741824", "-a", "--note 'it'\"'\"'s'", "--env", "A=b c"),
            *(
                "--nfs-output",
                "--image",
                "python:3.12",
                "--no-network",
                "--tag",
                "vision",
                "-m",
                "try",
                "--seed",
                "7",
                "lr=2",
            ),
        ],
    )
    assert "nsml fork ann/mnist/1" in err
    one.spec.job.command = "sh run.sh"
    assert nsml("command", "mnist/1").code == 1
