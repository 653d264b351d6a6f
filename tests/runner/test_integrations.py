"""What integrations share, without a framework; tests/integrations has the real ones."""

import json

from tests.runner.conftest import Platform
from tests.runner.test_sdk import points, summary

SCRIPT = """
import math, sys
from nsml.integrations import common

common.FRAMEWORKS["mine"] = ("not_there.at_all", "wave", "json.decoder")
assert common.framework("mine").__name__ == "json.decoder"  # what the script has imported
common.FRAMEWORKS["mine"] = ("not_there.at_all", "wave")
assert common.framework("mine").__name__ == "wave"
common.FRAMEWORKS["mine"] = ("not_there.at_all",)
try:
    common.framework("mine")
except ModuleNotFoundError as error:
    print(error)

metrics = {"loss": 1.5, "epoch": 2, "note": "text", "nan": math.nan}
common.report_numbers(metrics, 1, summary=["loss", "other"])
common.report_numbers({"all": 1}, 2, summary=True)
common.report_numbers({"none": 1}, 3, summary=False)
common.keep_hyperparameters({"lr": 0.1, "shape": (1, 2), "kind": int})
print(open(common.OUTPUT_PATH + "/hparams.json").read().replace("\\n", ""))
print(common.start_folder())
"""


async def test_what_integrations_share(platform: Platform) -> None:
    told = await platform.run(SCRIPT)

    missing, written, start = told.output().decode().splitlines()
    assert missing == "mine needs not_there.at_all: put it into requirements.txt"
    assert json.loads(written) == {"lr": 0.1, "shape": [1, 2], "kind": "<class 'int'>"}
    assert start == "None"
    found = points(told)
    steps = {"loss": 1, "epoch": 1, "nan": 1, "all": 2, "none": 3}
    assert {name: each[0][0] for name, each in found.items()} == steps
    assert summary(told) == {"loss": 1.5, "all": 1.0}
