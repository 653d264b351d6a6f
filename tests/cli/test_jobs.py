"""`nsml run -f job.yml`: what a job file may say, and what comes of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nsml_cli.jobfile import Custom, read
from nsml_core.errors import Invalid
from nsml_protos import ledger_pb2, scheduler_pb2, session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

SEED = Path(__file__).with_name("pf-template.yml")
"""As the tutorial of PeriFlow has it, to the letter."""

LEAST = {
    "vm": "azure-16gb-v100-4g-eastus",
    "num_devices": 4,
    "job_setting": {"type": "custom", "docker": {"image": "x", "command": "python main.py"}},
}


def cluster(devices: int, cpus: int = 16) -> scheduler_pb2.ClusterReply:
    node = scheduler_pb2.Node(devices=[scheduler_pb2.Device()] * devices, cpus=cpus)
    return scheduler_pb2.ClusterReply(nodes=[scheduler_pb2.NodeUse(node=node)])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the tutorial has it: the job file, and beside it the code."""
    folder = tmp_path / "tutorial"
    (folder / "cifar").mkdir(parents=True)
    (folder / "cifar" / "main.py").write_text("print('hello')\n")
    (folder / "cifar" / "left.bin").write_text("out")
    (folder / "cifar" / ".pfignore").write_text("*.bin\n.pfignore\n")
    (folder / "pf-template.yml").write_bytes(SEED.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, **changes: object) -> str:
    (folder / "job.yml").write_text(yaml.safe_dump({**LEAST, **changes}))
    return "job.yml"


def custom(**docker: object) -> dict[str, object]:
    return {"type": "custom", "docker": {"image": "x", "command": "python main.py", **docker}}


@pytest.fixture
def asked(peer: Peer, nsml: Run) -> Callable[..., tuple[session_pb2.RunRequest, str]]:
    """Run, and return what was asked for, and what was said beside it."""
    started = session_pb2.RunReply(session=session_pb2.Session(name="ann/x/1"))
    peer.answer("Sessions/Run", started)
    peer.answer("Ledger/Balance", ledger_pb2.Book(owner="ann"))

    def ask(*words: str, devices: int = 8) -> tuple[session_pb2.RunRequest, str]:
        peer.answer("Scheduler/Cluster", cluster(devices))
        result = nsml("run", *words)
        assert (result.code, result.out) == (0, "Session ann/x/1 is started\n"), result.err
        request = peer.requests("Sessions/Run")[-1]
        request.ClearField("key")
        return request, result.err

    return ask


Ask = Callable[..., tuple[session_pb2.RunRequest, str]]


@pytest.mark.usefixtures("here", "store")
def test_the_tutorials_file_runs_as_it_is(asked: Ask) -> None:
    request, said = asked("-f", "pf-template.yml", "-d", "./cifar")
    command = request.job.command
    request.job.ClearField("command")
    request.ClearField("code_tree")

    assert command.startswith("cd /workspace/cifar && torchrun --nnodes $NUM_NODES")
    assert command.endswith(
        "main.py \\\n  --model resnet50 \\\n" + command.partition("net50 \\\n")[2]
    )
    assert request == session_pb2.RunRequest(
        datasets=["my-cifar-100"],
        code_bytes=len("print('hello')\n"),
        resources=session_pb2.Resources(gpus=8, cpus=16),
        memo="cifar-job",
        tags=["computer-vision"],
        priority=session_pb2.NORMAL,
        job=session_pb2.Job(
            name="cifar-job",
            vm="azure-16gb-v100-4g-eastus-spot",
            image="friendliai/periflow:sdk",
            workspace_path="/workspace",
            folder="cifar",
            data_path="/workspace/data",
            output_path="/workspace/ckpt",
        ),
    )
    assert said == (
        "2 machines were asked for, and all 8 GPUs are on one here: "
        "NUM_NODES is 1 and NPROC_PER_NODE is 8.\n"
    )


@pytest.mark.usefixtures("here", "store")
def test_all_that_a_job_file_may_say(asked: Ask, here: Path) -> None:
    file = write(
        here,
        name=7,
        job_setting={
            **custom(
                command={"setup": "pip list", "run": "python a.py"},
                env_var={"A": 1, "B": True, "C": "c", "D": 0.5},
                credential_id="secret",
            ),
            "workspace": {"mount_path": "/mnt/"},
        },
        checkpoint={"input": {"id": "mnist/3:100", "mount_path": "/in/"}},
        dist={"dp_degree": 2, "pp_degree": 1, "mp_degree": 2},
        plugin={"slack": {"channel": "a", "credential_id": "b"}},
    )
    request, said = asked(
        *("--job", file, "-w", "cifar", "-d", "2", "--vm", "azure-40gb-a100-8g-westus2"),
        *("-n", "mine", "--env", "C=other", "--tag", "a", "--tag", "b", "-c", "3", "-m", "a memo"),
    )

    assert request.job == session_pb2.Job(
        name="mine",
        vm="azure-40gb-a100-8g-westus2",
        image="x",
        setup="pip list",
        command="python a.py",
        workspace_path="/mnt",
        folder="cifar",
        input=session_pb2.Input(session="ann/mnist/3", checkpoint="100", path="/in"),
    )
    assert dict(request.env) == {"A": "1", "B": "true", "C": "other", "D": "0.5"}
    assert (request.resources.gpus, request.resources.cpus) == (2, 3)
    assert (request.memo, list(request.tags)) == ("a memo", ["a", "b"])
    assert [line.partition(" has no effect")[0] for line in said.splitlines()] == [
        *("job_setting.docker.credential_id", "dist", "plugin"),
    ]


@pytest.mark.usefixtures("here", "store")
def test_a_laptop_runs_it_without_gpus(asked: Ask) -> None:
    request, _ = asked("-f", "pf-template.yml", "-d", "cifar", "-g", "0", devices=0)

    assert (request.resources.gpus, request.resources.cpus) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"colour": 1, "data": {"name": "a", "size": 2}},
            "keys that no job has: colour, data.size",
        ),
        ({"job_setting": custom(imge="x")}, "keys that no job has: job_setting.docker.imge"),
        ({"job_setting": {"type": "custom"}}, "lacks job_setting.docker"),
        ({"job_setting": {"type": "other"}}, "something else in job_setting.type than a job"),
        ({"num_devices": "four"}, "something else in num_devices than a job would"),
        ({"num_devices": 0}, "something else in num_devices than a job would"),
        ({"dist": {"dp_degree": 1}}, "lacks dist.pp_degree"),
        ({"plugin": {"slack": {"channel": "a"}}}, "lacks plugin.slack.credential_id"),
        ({"checkpoint": {"input": {}}}, "lacks checkpoint.input.id"),
        ({"job_setting": custom(env_var={"A": [1]})}, "job_setting.docker.env_var"),
    ],
)
def test_what_no_job_says_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(tmp_path / write(tmp_path, **changes))

    assert said in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- a", "is no job file"),
        (b"", "is no job file"),
        (b"a: [", "is no YAML"),
        (b"a: \xff", "is no YAML"),
        (b"[" * 5000, "is no YAML"),
        (b"a: !!python/object/apply:os.system ['true']", "is no YAML"),
    ],
)
def test_what_is_no_job_file(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "job.yml"
    file.write_bytes(content)

    with pytest.raises(Invalid, match=said):
        read(file)


@pytest.mark.parametrize(
    "case",
    [
        ({"vm": None}, (), 2, "lacks vm: write it there, or say --vm NAME"),
        ({"vm": "laptop"}, (), 2, "'laptop' is no VM: `nsml vm list` shows those"),
        ({"num_devices": None}, (), 2, "lacks num_devices"),
        ({"num_devices": 6}, (), 2, "num_devices is 6, and azure-16gb-v100-4g-eastus has 4 GPUs"),
        ({"job_setting": {"type": "predefined"}}, (), 2, "predefined job"),
        (
            {"data": {"name": "huggingface:lambada", "mount_path": "/d"}},
            (),
            2,
            "'huggingface:lambada'",
        ),
        ({"data": {"name": "a"}}, (), 2, "data lacks mount_path"),
        ({"checkpoint": {"input": {"id": "a/1:2"}}}, (), 2, "input lacks mount_path"),
        ({"checkpoint": {"input": {"id": "687e", "mount_path": "/in"}}}, (), 2, "no session name"),
        ({}, ("-e", "main.py"), 2, "leave out -e, -a, KEY=VALUE"),
        ({}, ("-a", "--lr 1"), 2, "leave out -e, -a, KEY=VALUE"),
        ({}, ("lr=1",), 2, "leave out -e, -a, KEY=VALUE"),
        ({}, ("-w", "nowhere"), 2, "There is no folder nowhere"),
        ({}, ("-w", "cifar", "-d", "."), 2, "A job has one workspace"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_sent(
    here: Path, peer: Peer, nsml: Run, case: tuple[dict[str, object], tuple[str, ...], int, str]
) -> None:
    changes, words, code, said = case
    peer.answer("Scheduler/Cluster", cluster(8))
    result = nsml("run", "-f", write(here, **changes), *words)

    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert result.err.count("\n") == 1
    assert peer.requests("Sessions/Run") == []


@pytest.mark.usefixtures("here", "peer")
def test_following_is_still_asked_for_by_its_letter(nsml: Run) -> None:
    assert "There is no entry 'x.py'" in nsml("run", "-f", "-e", "x.py").err
    assert "-w and --vm go with a job file" in nsml("run", "-fi", "-w", "cifar").err
    assert "nowhere.YAML cannot be read" in nsml("run", "-f", "nowhere.YAML").err


def test_a_command_may_be_a_string_or_in_two_parts(tmp_path: Path) -> None:
    parts = {"setup": "a", "run": "b"}
    for command, expected in (("b", ("", "b")), (parts, ("a", "b"))):
        job = read(tmp_path / write(tmp_path, job_setting=custom(command=command)))
        assert isinstance(job.job_setting, Custom)
        commands = job.job_setting.docker.commands
        assert (commands.setup, commands.run) == expected


def test_machines_are_listed_with_what_is_here(peer: Peer, nsml: Run) -> None:
    peer.answer("Scheduler/Cluster", cluster(8))
    machines = json.loads(nsml("vm", "list", "-c", "azure", "-d", "v100", "-j").out)

    assert [machine["quota"] for machine in machines] == [1, 1, 2, 4, 8]
    assert machines[2] == {
        "name": "azure-16gb-v100-4g-eastus-spot",
        "cloud": "azure",
        "region": "eastus",
        "device": "V100",
        "gpus": 4,
        "quota": 2,
    }
    assert nsml("vm", "list").out.splitlines()[2].split() == [
        *("aws-16gb-v100-8g-us-east-2", "aws", "us-east-2", "V100", "8", "1"),
    ]


def test_a_table_of_ones_own_names_and_limits_machines(here: Path, peer: Peer, nsml: Run) -> None:
    table = peer.home / "vms.yaml"
    table.write_text(
        "azure-16gb-v100-1g-eastus: 2\n"
        "box: {gpus: 4, device: H200, quota: 1}\n"
        "aws-40gb-a100-2g-x:\n"
    )
    peer.answer("Scheduler/Cluster", cluster(8))
    lines = [line.split() for line in nsml("vm", "list").out.splitlines()[1:]]

    assert [(line[0], line[-1]) for line in lines] == [
        ("azure-16gb-v100-1g-eastus", "2"),
        ("box", "1"),
        ("aws-40gb-a100-2g-x", "4"),
    ]
    over = nsml("run", "-f", write(here, vm="box", num_devices=8))
    assert (over.code, over.err) == (1, "Rejected: 2 machines of box are over its quota of 1.\n")
    table.write_text("box: {gpus: 0}\n")
    assert "gives box no GPU" in nsml("vm", "list").err
    table.write_text("box: many\n")
    assert "write lines like NAME: QUOTA" in nsml("vm", "list").err
