"""A configuration on its way from files and dotted keys to the script, to forks and comparisons."""

from pathlib import Path
from sysconfig import get_path

from tests.journeys.person import Person, content, session

EXAMPLES = Path(__file__).parents[2] / "examples"

TRIAL = """
import os, sys
import nni, nsml
from pathlib import Path

config = nsml.config()
params = nni.get_next_parameter()
print(config.train.lr, config.train.out, params["train.lr"], sys.argv[1:])
print(Path(os.environ["NSML_CONFIG"]).read_text(), end="")
nni.report_intermediate_result(config.train.lr)
nni.report_final_result({"default": config.train.lr, "epochs": config.train.epochs})
"""
FILES = {
    "conf.yaml": "train: {lr: 0.1, epochs: 2, out: 'runs/${name}'}\nname: base\n",
    "more.yaml": "name: more\n",
}


def test_dotted_keys_from_run_to_fork_to_diff(ann: Person) -> None:
    words = ("-c", "conf.yaml", "-c", "1", "-c", "more.yaml", "train.epochs=3", "+new=[1, 2]")
    params = '{"train.lr": 0.5, "other": "x"}'
    done = ann.runs(TRIAL, "--params", params, "-a", "--mode train", *words, files=FILES)
    first = session(done.stdout)

    shown = ann.json("show", first)
    assert shown["config"] == {
        "train": {"lr": 0.5, "epochs": 3, "out": "runs/more"},
        "name": "more",
        "new": [1, 2],
    }
    assert shown["params"] == {"train.lr": 0.5, "other": "x"}
    assert shown["summary"] == {"nni/final": 0.5, "nni/final/epochs": 3}
    said = "0.5 runs/more 0.5 ['--mode', 'train', 'train.epochs=3', '+new=[1, 2]']\n"
    assert said + "train:\n  lr: 0.5\n" in ann.says("logs", first)
    assert "train.out" in ann.says("show", first)

    second = session(ann.says("fork", first, "train.lr=0.25", "-f"))

    assert "0.25 runs/more 0.25 [" in ann.says("logs", second)
    assert "'+new=[1, 2]', 'train.lr=0.25'" in ann.says("logs", second)
    told = ann.json("diff", first, second)
    assert told["settings"]["Config train.lr"] == ["0.5", "0.25"]
    assert told["settings"]["Param train.lr"] == ["0.5", "0.25"]
    assert "Config name" not in told["settings"]
    assert told["metrics"]["nni/final"] == ["0.5 at 0", "0.25 at 0"]
    said = ann.refused("fork", first, "train.lrr=1", code=2)
    assert said.endswith(
        "There is no train.lrr in the configuration: write train.lr, or +train.lrr=1 to add it."
    )


def test_a_replay_has_the_same_configuration(ann: Person) -> None:
    first = session(
        ann.runs(TRIAL, "-c", "conf.yaml", "--params", '{"train.lr": 1}', files=FILES).stdout
    )

    told = ann.json("replay", first)

    assert told["identical"]
    assert "Config" not in " ".join(ann.json("diff", first, told["replay"])["settings"])


def test_the_examples(ann: Person) -> None:
    files = content(EXAMPLES / "config")
    done = ann.runs("", "-c", "conf", "train.epochs=1", files=files, name="config")
    assert "1 steps of 0.1 from 1.0 lead to 0.8\n" in done.stdout

    files = content(EXAMPLES / "nni")
    del files["requirements.txt"]  # OmegaConf is had from where the tests run
    words = ("--env", f"PYTHONPATH={get_path('purelib')}", "--params", "params.json")
    done = ann.runs("", *words, files=files, name="nni")

    assert ann.json("show", session(done.stdout))["summary"]["nni/final"] < 1e-5
