"""Scripts of every era run on a laptop as they are, without a platform."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eras.eras import ERAS, Era
from tests.sdk.conftest import SDK


class Laptop:
    """The script's folder, with the data beside it."""

    def __init__(self, folder: Path, era: Era) -> None:
        self.code, self.sample = folder / "code", folder / "sample"
        for place, files in ((self.code, era.code()), (self.sample, era.data())):
            for name, content in files.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(content, "utf-8")

    def run(self, *words: str, **env: str) -> list[str]:
        """Run it to its end; return the lines that it prints."""
        path = os.pathsep.join([str(SDK), str(SDK / "nsml" / "shims")])
        ended = subprocess.run(
            [sys.executable, "-u", "main.py", *words],
            cwd=self.code,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout.splitlines()


@pytest.mark.parametrize("era", ERAS, ids=lambda era: era.name)
def test_it_trains_saves_goes_on_and_predicts(era: Era, tmp_path: Path) -> None:
    laptop = Laptop(tmp_path, era)
    assert laptop.run()[-1] == era.trained
    kept = {path.name for path in (laptop.code / ".nsml" / "checkpoints").iterdir()}
    assert set(era.saved) - {"TIME"} <= kept
    if era.loader:
        words = ("--mode", "test", "--pause", "1", "--iteration", era.saved[-1])
        laptop.run(*words, NSML_DATASET_PATH=str(laptop.sample))
        assert (laptop.code / "prediction").read_bytes() == era.prediction
    if era.goes_on:
        checkpoint, last = era.goes_on
        assert laptop.run("--pause", "1", "--iteration", checkpoint)[-1] == last


def test_a_mode_of_the_scripts_own_is_its_own(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path, ERAS[0])

    assert laptop.run("--mode", "test_local") == ["[(0.0, 1), (0.0, 0), (0.0, 1)]"]


def test_the_shims_say_where_they_lie() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "nsml.shims"], check=True, capture_output=True, text=True
    ).stdout

    assert (Path(said.strip()) / "nova.py").is_file()
