"""`import periflow_sdk as pf`: the calls of a PeriFlow script, on the platform and off it."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.sdk.conftest import SDK, Runner, Script

IMPORTED = "import os, time\nimport periflow_sdk as pf\n"
TRAIN = f"""{IMPORTED}
def write(text):
    with open(os.path.join(os.environ["CKPT_DIR"], "checkpoint.pt"), "w") as file:
        file.write(text)

pf.init(total_train_steps=4)
for step in range(1, 5):
    with pf.train_step():
        loss = 1 / step
    pf.metric({{"loss": loss, "step": 99, "note": "text", "summary": 2.0}})
    if step % 2 == 0:
        if os.environ.get("RANK", "0") == "0":
            write(str(step))
        pf.upload_checkpoint()
"""


class Job:
    """Scripts of a job: one for each rank, with a checkpoint folder that they share."""

    def __init__(self, session: Script, folder: Path) -> None:
        self.session = session
        self.checkpoints = folder / "ckpt"
        self.checkpoints.mkdir()
        self.env = {
            "PYTHONPATH": os.pathsep.join([str(SDK), str(SDK / "nsml/shims")]),
            "CKPT_DIR": str(self.checkpoints),
        }

    def run(self, source: str, **env: str) -> str:
        """Run one rank to its end; return what it printed."""
        ended = self.session.run(source, **self.env, **env)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture
def job(session: Script, folder: Path) -> Job:
    return Job(session, folder)


def saves(runner: Runner) -> list[tuple[str, int]]:
    return [(each["name"], each["step"]) for each in runner.record() if each["op"] == "save"]


def test_metrics_and_checkpoints_of_a_step_reach_the_platform(job: Job, runner: Runner) -> None:
    job.run(TRAIN, PROCESSED_ITERS="10")
    kept = {
        path.name: (path / "checkpoint.pt").read_text() for path in runner.checkpoints.iterdir()
    }
    points = runner.points()

    assert kept == {"12": "2", "14": "4"}
    assert saves(runner) == [("12", 12), ("14", 14)]
    assert [(point["step"], point["values"]) for point in points[:2]] == [
        (11, {"loss": 1.0, "summary_": 2.0}),
        (12, {"loss": 0.5, "summary_": 2.0}),
    ]
    assert all(point["summary"] for point in points)
    assert (job.checkpoints / "checkpoint.pt").read_text() == "4"


def test_what_is_no_number_is_said_once_and_training_goes_on(job: Job) -> None:
    ended = job.session.run(TRAIN, **job.env)

    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == "nsml: metric 'note' is no number, and such are left out.\n"


def test_ranks_that_all_ask_upload_once_when_the_last_has_written(job: Job, runner: Runner) -> None:
    script = f"""{IMPORTED}
pf.init(total_train_steps=1)
pf.start_step(); pf.end_step()
input()
with open(os.path.join(os.environ["CKPT_DIR"], f"shard-{{os.environ['RANK']}}"), "w"): pass
pf.metric({{"loss": 1}})
pf.upload_checkpoint()
print("uploaded", flush=True)
input()
pf.start_step(); pf.end_step()
"""
    ranks = [
        job.session.start(script, **job.env, RANK=str(rank), WORLD_SIZE="3") for rank in range(3)
    ]
    for rank in ranks:
        assert rank.stdin is not None
        assert rank.stdout is not None
        assert saves(runner) == []
        rank.stdin.write("\n")
        rank.stdin.flush()
        assert rank.stdout.readline() == "uploaded\n"
    ends = [rank.communicate("\n")[1] for rank in ranks]

    assert ends == ["", "", ""]
    assert saves(runner) == [("1", 1)]
    assert sorted(path.name for path in (runner.checkpoints / "1").iterdir()) == [
        "shard-0",
        "shard-1",
        "shard-2",
    ]
    names = {name for point in runner.points() for name in point["values"]}
    assert names == {"loss", "rank1/loss", "rank2/loss"}


def test_where_only_the_first_rank_asks_its_next_step_uploads(job: Job, runner: Runner) -> None:
    script = f"""{IMPORTED}
pf.init(4)
for step in range(2):
    with pf.train_step(): pass
    open(os.path.join(os.environ["CKPT_DIR"], "model"), "w").close()
    pf.upload_checkpoint()
"""
    job.run(script, RANK="0", WORLD_SIZE="8")

    assert saves(runner) == [("1", 1), ("2", 2)]


def test_ranks_that_a_script_starts_itself_upload_once(job: Job, runner: Runner) -> None:
    script = f"""{IMPORTED}
import multiprocessing

def rank(number):
    pf.init(1)
    with pf.train_step(): pass
    open(os.path.join(os.environ["CKPT_DIR"], str(number)), "w").close()
    barrier.wait()
    pf.upload_checkpoint()
    with pf.train_step(): pass

fork = multiprocessing.get_context("fork")
barrier = fork.Barrier(2)
ranks = [fork.Process(target=rank, args=(number,)) for number in range(2)]
for each in ranks: each.start()
for each in ranks: each.join()
print([each.exitcode for each in ranks])
"""

    assert job.run(script, RANK="0", WORLD_SIZE="2") == "[0, 0]\n"
    assert saves(runner) == [("1", 1)]


OUT_OF_ORDER = {
    "pf.start_step()": "call pf.init() before anything else",
    "pf.metric({})": "call pf.init() before anything else",
    "pf.upload_checkpoint()": "call pf.init() before anything else",
    "pf.is_emergency_save()": "call pf.init() before anything else",
    "pf.init('ten')": "total_train_steps is a whole number, not a str",
    "pf.init(); pf.end_step()": "no step was started",
    "pf.init(); pf.start_step(); pf.start_step()": "a step was started before",
    "pf.init(); pf.metric(1)": "metrics are a dict",
    "pf.init(); pf.save({}, 'a')": "between start_step() and end_step()",
    "pf.init(); pf.load(open('main.py'))": "is no path",
    "pf.init(); pf.upload_checkpoint(); pf.upload_checkpoint()": "was uploaded before",
}


@pytest.mark.parametrize("place", ["session", "laptop"])
def test_calls_out_of_order_are_errors_everywhere(job: Job, laptop: Script, place: str) -> None:
    script = f"""
import periflow_sdk
for calls, said in {OUT_OF_ORDER!r}.items():
    pf = periflow_sdk.TrainingManager()
    try:
        exec(calls)
    except periflow_sdk.PeriFlowError as error:
        assert said in str(error), (calls, error)
    else:
        raise AssertionError(calls)
"""
    where = job.session if place == "session" else laptop
    ended = where.run(script, **job.env)

    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_a_session_must_say_where_checkpoints_lie(job: Job) -> None:
    script = (
        f"{IMPORTED}pf.init()\ntry:\n    pf.upload_checkpoint()\n"
        "except pf.PeriFlowError as error:\n    print(error)"
    )

    assert "checkpoint.output_checkpoint_dir" in job.run(
        script.replace("pf.init", "os.environ.pop('CKPT_DIR'); pf.init")
    )
    job.checkpoints.rmdir()
    assert "save the checkpoint, then upload it" in job.run(script)


def test_a_variable_that_is_no_number_is_the_platforms_fault(job: Job) -> None:
    script = (
        f"{IMPORTED}try:\n    pf.init()\n"
        "except pf.PeriFlowInternalError as error:\n    print(error)"
    )

    assert job.run(script, RANK="first") == "RANK is 'first', and should be a number\n"


def test_off_the_platform_metrics_become_lines_of_a_file(job: Job, laptop: Script) -> None:
    ended = laptop.run(TRAIN, **job.env, RANK="2")
    [log] = laptop.folder.glob("periflow_trainer_*_2.log")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(log.read_text().splitlines()[0]) == {
        "loss": 1.0,
        "step": 99,
        "note": "text",
        "summary": 2.0,
    }


def test_a_log_may_have_a_name_of_its_own_and_a_session_may_be_quiet(
    job: Job, runner: Runner
) -> None:
    job.run(f"{IMPORTED}pf.init(9, 'mine.log')\npf.metric({{'a': 1}})", PERIFLOW_ENABLED="0")

    assert (job.session.folder / "mine.log").read_text() == '{"a": 1}\n'
    assert runner.points() == []


def test_who_asks_may_save_before_a_stop_and_then_ends(job: Job, runner: Runner) -> None:
    script = f"""{IMPORTED}
pf.init()
print(pf.is_emergency_save(), flush=True)
while True:
    with pf.train_step():
        time.sleep(0.01)
    if pf.is_emergency_save():
        open(os.path.join(os.environ["CKPT_DIR"], "model"), "w").close()
        pf.upload_checkpoint()
"""
    with job.session.start(script, **job.env, WORLD_SIZE="2", RANK="0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()

    assert (process.returncode, err) == (143, "")
    assert len(saves(runner)) == 1


def test_who_does_not_ask_ends_at_once(job: Job) -> None:
    script = f"{IMPORTED}pf.init()\nprint('ready', flush=True)\ntime.sleep(600)"
    with job.session.start(script, **job.env) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)

    assert process.returncode == -signal.SIGTERM


def test_a_worker_of_who_asks_ends_when_its_parent_says_so(job: Job) -> None:
    script = f"""{IMPORTED}
import multiprocessing
fork = multiprocessing.get_context("fork")
begun = fork.Event()

def work():
    begun.set()
    time.sleep(600)

pf.init(); pf.is_emergency_save()
worker = fork.Process(target=work)
worker.start(); begun.wait(); worker.terminate(); worker.join(); print(worker.exitcode)
"""

    assert job.run(script) == "-15\n"


def test_pf_save_uploads_at_the_end_of_its_step_and_pf_load_finds_it(
    job: Job, runner: Runner
) -> None:
    (job.session.folder / "torch.py").write_text(
        "import json\n"
        "def save(obj, path): json.dump(obj, open(path, 'w'))\n"
        "def load(path): return json.load(open(path))\n"
    )
    script = f"""{IMPORTED}
from periflow_sdk import periflow as pf
print(pf.is_checkpoint_exist("a/model.pt"))
pf.init(2)
with pf.train_step():
    pf.save({{"step": pf.get_current_step()}}, "a/model.pt", async_save=True)
"""

    assert job.run(script) == "False\n"
    assert saves(runner) == [("1", 1)]
    again = f"{IMPORTED}pf.init(2)\nprint(pf.load('model.pt'), pf.is_checkpoint_exist('model.pt'))"
    assert job.run(again, PROCESSED_ITERS="1") == "{'step': 1} True\n"
