"""The tutorial of PeriFlow, typed at NSML: its job file to the letter, its script, its commands."""

from pathlib import Path

from tests.journeys.documented import fields
from tests.journeys.person import Person, session

JOB_FILE = Path(__file__).parents[1] / "cli" / "pf-template.yml"

MAIN = """
import argparse, os
import periflow_sdk as pf

parser = argparse.ArgumentParser()
for name in ("model", "dataset", "data-path", "save", "load"):
    parser.add_argument("--" + name)
for name in ("batch-size", "log-interval", "total-epochs", "save-interval", "test-interval",
             "num-dataloader-workers"):
    parser.add_argument("--" + name, type=int)
args = parser.parse_args()
latest = os.path.join(args.load, "checkpoint.pt")
rank = int(os.environ["RANK"])
step = int(os.environ["PROCESSED_ITERS"])
if rank == 0 and os.path.exists(latest):  # the others would not wait for a barrier, as torch has
    step = int(open(latest).read())
if rank == 0:
    print("data", sorted(os.listdir(args.data_path + "/cifar-100-python")), "from", step)

pf.init(total_train_steps=step + 2 * args.save_interval)
for _ in range(2 * args.save_interval):
    with pf.train_step():
        step += 1
    pf.metric({"loss": 1 / step})
    if args.save and step % args.save_interval == 0:
        if rank == 0:
            open(os.path.join(args.save, "checkpoint.pt"), "w").write(str(step))
        pf.upload_checkpoint()
"""

# What the tutorial takes from PyTorch: one process for each rank.
TORCHRUN = """#!/bin/sh
exec "$VIRTUAL_ENV/bin/python" - "$@" <<'END'
import os, subprocess, sys
words, options = sys.argv[1:], {}
while words[0].startswith("--"):
    options[words[0]], words = words[1], words[2:]
ranks = int(options["--nproc_per_node"])
assert options["--nnodes"] == "1" and options["--node_rank"] == "0" and options["--master_addr"]
env = [{**os.environ, "RANK": str(rank), "WORLD_SIZE": str(ranks)} for rank in range(ranks)]
started = [subprocess.Popen([sys.executable, *words], env=each) for each in env]
sys.exit(max(one.wait() for one in started))
END
"""

FOUND = "data ['meta', 'test', 'train'] from"


def test_the_tutorial(ann: Person) -> None:
    push_data(ann)
    name = run_the_job(ann)
    look_at(ann, name)

    assert "└── checkpoint.pt (3 B)" in ann.says("checkpoint", "view", f"{name}:200")
    ann.says("checkpoint", "download", f"{name}:100", "-d", "mine")
    assert (ann.folder / "mine" / "checkpoint.pt").read_text() == "100"

    resumed = ann.says("resume", name, "-f").splitlines()
    assert resumed[-1] == f"{FOUND} 200"
    assert [one["step"] for one in ann.json("checkpoint", "list", "-l", "2")] == [400, 300]
    assert f"{name} " in ann.says("job", "list", "-a")
    assert FOUND in ann.says("job", "log", name)


def push_data(ann: Person) -> None:
    ann.write("cifar-100-python", {"train": "images", "test": "more", "meta": "names"})
    ann.says("datastore", "upload", "-n", "my-cifar-100", "-p", "./cifar-100-python")
    view = ann.says("datastore", "view", "my-cifar-100")
    assert view.partition("Files\n")[2].splitlines()[:5] == [
        "/",
        "└── 📂 cifar-100-python",
        "    ├── meta (5 B)",
        "    ├── test (4 B)",
        "    └── train (6 B)",
    ]


def run_the_job(ann: Person) -> str:
    """It asks for more than is here, and runs on less."""
    code = ann.write("cifar", {"main.py": MAIN, "bin/torchrun": TORCHRUN})
    (code / "bin" / "torchrun").chmod(0o755)
    (ann.folder / "pf-template.yml").write_bytes(JOB_FILE.read_bytes())
    run = ("job", "run", "-f", "pf-template.yml", "-d", "./cifar")
    refused = ann.nsml(*run)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "It runs on 4 nodes with 2 GPUs each.",
        "Rejected: Only 1 node can hold 2 GPUs, 8 CPUs, and 4 are asked for at once.",
    ]
    path = "PATH=/workspace/cifar/bin:/usr/bin:/bin"
    done = ann.nsml(*run, "-g", "2", "--env", path, "--follow")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"{FOUND} 0"
    return session(done.stdout)


def look_at(ann: Person, name: str) -> None:
    listed = ann.json("checkpoint", "list", "--tag", "computer-*")
    ids = [(one["id"], one["step"]) for one in listed]
    assert ids == [(f"{name}:200", 200), (f"{name}:100", 100)]
    assert set(listed[0]) == fields("checkpoint list")
    (shown,) = ann.json("ps", "-a", "--tag", "computer-vision")
    assert (shown["memo"], shown["tags"], shown["gpus"]) == ("cifar-job", ["computer-vision"], 2)
    assert shown["summary"] == {"loss": 1 / 200}
    job = ann.json("show", name)["job"]
    assert job["vm"] == "azure-16gb-v100-4g-eastus-spot"
    assert job["workspace_path"] == "/workspace/cifar"
    assert set(job) == fields("— job")
