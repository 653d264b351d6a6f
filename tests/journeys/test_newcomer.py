"""The main job as a newcomer does it: push, run, watch, look, and bring everything back."""

import json
from pathlib import Path

import pytest

from tests.journeys.documented import fields
from tests.journeys.person import Files, Person, content

DATA: Files = {"a.txt": "first\n", "deep/b.bin": bytes(range(256)), "empty.txt": ""}
CODE: Files = {
    "helper.py": "def shout(text):\n    return text.upper()\n",
    "notes/plan.txt": "train, then sleep\n",
    ".nsmlignore": "*.secret\n",
    "my.secret": "not for others\n",
}
SCRIPT = """
import sys
from pathlib import Path

import nsml
from helper import shout

def save(folder):
    (Path(folder) / "weights.bin").write_bytes(bytes(range(256)))

nsml.bind(save=save)
print(shout("reading " + (Path(nsml.DATASET_PATH) / "a.txt").read_text().strip()), sys.argv[1:])
for epoch in (1, 2):
    nsml.report(step=epoch, summary=True, train__loss=1 / epoch)
    nsml.save(epoch)
print("done", file=sys.stderr)
(Path(nsml.OUTPUT_PATH) / "deep").mkdir()
(Path(nsml.OUTPUT_PATH) / "deep/result.txt").write_text("42")
"""
PRINTED = ("READING FIRST ['--lr', '0.1']", "done")


@pytest.fixture(scope="package")
def trained(machine: Person) -> str:
    """A session that has done all that a session can; return its name."""
    machine.push("newcomer", DATA)
    done = machine.runs(
        SCRIPT, "-d", "newcomer", "-a", "--lr 0.1", "-m", "my first", files=CODE, name="trained"
    )
    assert done.returncode == 0, done
    assert done.stdout.startswith("Session ann/newcomer/1 is started\n")
    assert set(PRINTED) < set(done.stdout.splitlines())
    assert done.stderr.splitlines()[-1] == "Session ann/newcomer/1 has ended: Exited."
    return "ann/newcomer/1"


def test_it_is_listed_shown_and_printed_again(ann: Person, trained: str) -> None:
    titles, *rows = ann.says("ps", "-a").splitlines()
    assert titles.split() == [
        *("Name", "Created", "Args", "Status", "Summary", "Description", "#Models", "Size", "Type")
    ]
    row = next(row for row in rows if row.startswith(f"{trained} "))
    for cell in ("--lr 0.1", "Exited", "train/loss=0.5", "my first", "  2  ", "normal"):
        assert cell in row

    assert trained not in ann.says("ps")
    assert trained in ann.says("ps", "-a", "-q").split()
    assert ann.says("status", trained) == "Exited\n"
    assert set(PRINTED) < set(ann.says("logs", trained).splitlines())
    shown = ann.says("show", trained)
    for word in ("python -u main.py --lr 0.1", "newcomer@1", "Requested", "Placed", "Exited"):
        assert word in shown


def test_everything_comes_back_as_it_was(ann: Person, machine: Person, trained: str) -> None:
    here = trained.replace("/", "_")
    short = trained.removeprefix("ann/")
    weights = {"weights.bin": bytes(range(256))}

    said = ann.says("model", "pull", short)
    assert said == f"Model 2 of session {trained} is in {here}/2\n"
    ann.says("model", "pull", short, "1", "models")
    assert content(ann.folder / here / "2") == weights
    assert content(ann.folder / "models" / here / "1") == weights

    ann.says("pull", short, "there")
    whole = content(machine.folder / "trained")
    del whole["my.secret"]
    assert content(ann.folder / "there" / here / "code") == whole

    ann.says("download", short)
    assert content(ann.folder / here / "output") == {"deep/result.txt": b"42"}
    ann.says("download", short, "-s", "deep/result.txt")
    assert (ann.folder / "result.txt").read_text() == "42"

    ann.says("dataset", "pull", "newcomer", "again")
    assert content(ann.folder / "again") == content(machine.folder / "newcomer")


def test_a_model_is_taken_away(ann: Person) -> None:
    script = "import nsml\nnsml.bind(save=lambda folder: open(folder + '/x', 'w').close())\n"
    name = ann.runs(script + "nsml.save(1)\nnsml.save(2)").stdout.split()[1]
    assert [row.split()[0] for row in ann.says("model", "ls", name).splitlines()[1:]] == ["1", "2"]
    assert ann.says("model", "rm", name, "2") == f"Model 2 of session {name} is removed\n"
    assert [point["name"] for point in ann.json("model", "ls", name)] == ["1"]
    sentence = ann.refused("model", "pull", name, "2", code=3)
    assert sentence == f"Error: Session {name} has no model '2': `nsml model ls {name}` lists them."


@pytest.mark.parametrize(
    "words",
    ["ps -a", "model ls", "dataset ls", "dataset search newcomer", "credit history"],
)
def test_listings_are_lists_of_what_is_documented(ann: Person, trained: str, words: str) -> None:
    of_one = [trained] if words == "model ls" else []
    listed = ann.json(*words.split(), *of_one)
    assert listed
    row = "dataset ls" if words.startswith("dataset") else words.removesuffix(" -a")
    assert all(set(each) == fields(row) for each in listed)


def test_objects_are_as_documented(ann: Person, trained: str) -> None:
    shown = ann.json("show", trained)
    assert set(shown) == fields("show")
    assert set(shown["outcome"]) == fields("— outcome")
    assert set(shown["attempts"][0]) == fields("— attempts")
    assert set(shown["history"][0]) == fields("— history")
    assert set(shown["checkpoints"][0]) == fields("model ls")
    board = ann.json("dataset", "board", "newcomer")
    assert set(board) == fields("dataset board")
    assert set(board["revisions"][0]) == fields("— revisions")
    assert set(board["sessions"][0]) == fields("ps")
    for words in ("credit", "whoami"):
        assert set(ann.json(words)) == fields(words)
    assert set(ann.json("status", trained)) == fields("status SESSION")


def test_the_platform_shows_itself(ann: Person) -> None:
    name = ann.starts("import time; time.sleep(600)")
    ann.wait(name, "Running")
    platform = ann.json("status")
    ann.says("stop", name)

    assert {part["name"]: part["state"] for part in platform["parts"]} == dict.fromkeys(
        [
            *("nats", "postgres", "identity", "dataset", "ledger", "session", "scheduler"),
            "web",
            "supervisor",
        ],
        "running",
    )
    (node,) = platform["nodes"]
    assert (node["cpus"], [device["id"] for device in node["devices"]]) == (8, ["0", "1"])
    assert name in [work["session"] for work in node["running"]]
    assert set(node["running"][0]) == fields("— queue")


def test_names_are_numbers_that_go_up(ann: Person) -> None:
    ann.push("numbers", {"x": "x"})
    first, second = (ann.starts("", "-d", "numbers") for _ in range(2))
    assert (first, second) == ("ann/numbers/1", "ann/numbers/2")
    ann.wait(first, "Exited")
    assert ann.says("rm", "numbers/1") == "Session ann/numbers/1 is removed\n"
    assert ann.starts("", "-d", "numbers") == "ann/numbers/3"
    assert ann.starts("").startswith("ann/None/")


def test_a_session_ends_as_its_code_does(ann: Person) -> None:
    done = ann.runs("raise SystemExit(3)")
    assert done.returncode == 3
    name = done.stdout.split()[1]
    assert done.stderr.endswith(f"Session {name} has ended: Failed (ended with exit code 3).\n")
    killed = ann.runs("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == 128 + 9
    assert ann.nsml("logs", "-f", name).returncode == 3


def test_interactive_leaves_nothing_behind(ann: Person) -> None:
    done = ann.runs("print('seen')", "-i")
    name = done.stdout.split()[1]
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["seen"])
    ann.refused("show", name, code=3)


def test_memos_stops_and_patterns(ann: Person) -> None:
    ann.push("many", {"x": "x"})
    names = {ann.starts("import time; time.sleep(600)", "-d", "many") for _ in range(3)}
    ann.says("memo", "many/1", "the *best* one")
    assert "the *best* one" in ann.says("ps")
    refusal = "Error: ann/many/1 has not ended: stop it with `nsml stop ann/many/1`, or do both"
    assert ann.refused("rm", "many/1", code=1).startswith(refusal)

    assert ann.says("stop", "many/1") in {
        "Session ann/many/1 is stopping\n",
        "Session ann/many/1 is stopped\n",
    }
    ann.wait("many/1", "Stopped")
    assert ann.says("stop", "many/1") == "Session ann/many/1 is stopped\n"
    assert ann.says("rm", "-f", "many/?").splitlines() == [
        f"Session {name} is removed" for name in sorted(names, reverse=True)
    ]
    assert ann.json("ps", "-a", "-d", "many") == []


def test_each_charge_names_its_session_and_its_time(ann: Person) -> None:
    before = ann.json("credit")
    code = ann.write("code", {"main.py": "import time; time.sleep(0.3)"})
    name = ann.says("run", "-g", "1", "-f", at=code).split()[1]
    while ann.json("credit")["held_gpu_ms"]:
        pass  # what was held is released a moment after the end
    lines = [line for line in ann.json("credit", "history") if line["session"] == name]
    after = ann.json("credit")

    assert sorted(line["event"] for line in lines) == ["Charged", "Held", "Released"]
    charged = next(line for line in lines if line["event"] == "Charged")
    assert charged["started"] < charged["ended"]
    assert charged["amount_gpu_ms"] >= 300
    assert charged["rate"] == 1000
    assert before["spent_gpu_ms"] + charged["amount_gpu_ms"] == after["spent_gpu_ms"]
    assert before["available_gpu_ms"] - charged["amount_gpu_ms"] == after["available_gpu_ms"]
    shown = next(row for row in ann.says("credit", "history").splitlines() if "Charged" in row)
    assert f"{name}#1" in shown
    credit = ann.says("credit")
    assert credit == f"User : ann credit {after['available_gpu_ms'] * 100 // 60000 / 100:.2f}\n"


def test_one_gpu_is_taken_where_none_is_asked_for(ann: Person) -> None:
    code = ann.write("code", {"main.py": "import nsml; print(nsml.GPU_NUM)"})
    assert ann.says("run", "-f", at=code).splitlines()[-1] == "1"


def test_what_the_code_is_told(ann: Person) -> None:
    script = """
import json, os
from pathlib import Path
import nsml
print(json.dumps({
    "session": nsml.SESSION_NAME, "gpus": nsml.GPU_NUM, "cpus": nsml.CPU_NUM,
    "memory": nsml.MEMORY, "datasets": sorted(nsml.DATASETS), "name": nsml.DATASET_NAME,
    "mine": os.environ["MINE"], "devices": os.environ["CUDA_VISIBLE_DEVICES"],
    "seed": os.environ["NSML_SEED"], "here": sorted(os.listdir("."))[:2],
}))
"""
    ann.push("one", {"x": "1"})
    ann.push("two", {"x": "2"})
    code = ann.write("code", {"main.py": script, "data.json": "{}"})
    needs = ["-g", "2", "-c", "3", "--memory", "2G", "--seed", "7", "--env", "MINE=a b"]
    said = ann.says("run", "-d", "one", "-d", "two@1", *needs, "-f", at=code)

    assert json.loads(said.splitlines()[-1]) == {
        "session": "ann/one/1",
        "gpus": 2,
        "cpus": 3,
        "memory": 2 << 30,
        "datasets": ["one", "two"],
        "name": "one",
        "mine": "a b",
        "devices": "0,1",
        "seed": "7",
        "here": ["data.json", "main.py"],
    }


def test_logs_since(ann: Person) -> None:
    done = ann.runs("print('now')")
    name = done.stdout.split()[1]
    assert ann.says("logs", "--since", "1h", name) == "now\n"
    assert ann.says("logs", "--since", "2100-01-01T00:00", name) == ""


def test_a_pull_never_replaces_what_is_there(ann: Person, trained: str, tmp_path: Path) -> None:
    here = tmp_path / trained.replace("/", "_") / "2"
    here.mkdir(parents=True)
    (here / "mine.txt").write_text("precious")
    ann.refused("model", "pull", trained, code=1)
    assert content(here) == {"mine.txt": b"precious"}
    ann.says("model", "pull", trained, "-f")
    assert sorted(content(here)) == ["weights.bin"]
