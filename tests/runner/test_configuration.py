"""What user code finds of its configuration and its parameters."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nsml_protos import session_pb2
from nsml_runner import going_on
from nsml_runner.configuration import as_yaml
from tests.runner.conftest import Platform
from tests.runner.test_sdk import points, summary

CONFIG = {
    "train": {"lr": 1e-05, "name": "1e-3", "words": ["no", "a: b", "true", "", "é", "-"]},
    "odd": "a ${place} of its own",
    "empty": {},
    "none": None,
    "nan": float("inf"),
}
SCRIPT = """
import json, os, nsml
config = nsml.config()
config.train.lr = 2
print(json.dumps(nsml.config()), nsml.config().train.lr)
print(open(os.environ["NSML_PARAMS"]).read())
print(open(os.environ["NSML_CONFIG"]).read(), end="")
"""


def test_the_yaml_says_what_the_json_says() -> None:
    read = OmegaConf.create(as_yaml(json.dumps(CONFIG)))

    assert OmegaConf.to_container(read, resolve=True) == CONFIG


@pytest.mark.parametrize(
    ("args", "is_told_by_arguments"),
    [
        ([], True),
        (["--lr=1", "-x=2", "a b=c", "1=2"], True),
        (["--lr", "1", "train.lr=2"], False),
        (["+db=postgres"], False),
        (["~db="], False),
    ],
)
def test_how_a_script_is_told_to_go_on(
    tmp_path: Path, args: list[str], *, is_told_by_arguments: bool
) -> None:
    session = session_pb2.Session(spec=session_pb2.Spec(args=args))
    session.start.name = "7"
    (tmp_path / "main.py").write_text("parser.add_argument('--pause')")

    assert bool(going_on.options(session, tmp_path)) is is_told_by_arguments
    assert going_on.variables(session) == {"NSML_PAUSE": "1", "NSML_ITERATION": "7"}


async def test_code_finds_its_configuration_and_parameters(platform: Platform) -> None:
    config = {"train": {"lr": 0.1}}
    told = await platform.run(SCRIPT, config=json.dumps(config), params='{"train.lr": 0.1}')

    assert told.output().decode().splitlines() == [
        '{"train": {"lr": 0.1}} 0.1',
        '{"train.lr": 0.1}',
        "train:",
        "  lr: 0.1",
    ]


TRIAL = """
import nni
params = nni.get_next_parameter()
print(params, nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id())
for epoch in range(2):
    nni.report_intermediate_result({"default": params["train.lr"] * epoch, "loss": 1.5, "n": "x"})
nni.report_final_result(0.75)
"""


async def test_a_script_for_nni_is_a_trial(platform: Platform) -> None:
    told = await platform.run(TRIAL, params='{"train.lr": 0.5}')

    name = told.assignment.session.name
    owner, dataset, number = name.split("/")
    assert told.output(session_pb2.STDOUT).decode() == (
        f"{{'train.lr': 0.5}} {owner}_{dataset} {owner}_{dataset}_{number} {number}\n"
    )
    assert b"what is no number is left out" in told.output(session_pb2.STDERR)
    assert points(told) == {
        "nni/intermediate": [(0, 0.0), (1, 0.5)],
        "nni/intermediate/loss": [(0, 1.5), (1, 1.5)],
        "nni/final": [(0, 0.75)],
    }
    assert summary(told) == {"nni/final": 0.75}
