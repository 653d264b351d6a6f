"""The examples of docs/client.md do what the page says."""

import re
import subprocess
import sys
from pathlib import Path

from tests.platform.platforms import Platform

PAGE = Path(__file__).parents[2] / "docs/client.md"
SCRIPT = """
import sys
import nsml

nsml.bind(save=lambda folder: open(f"{folder}/model", "w").write("weights"))
for step in range(2):
    nsml.report(step=step, summary=True, train__loss=float(sys.argv[2]) / (step + 1))
nsml.save("best")
print("trained at", sys.argv[2])
"""


def run(example: str, folder: Path, here: Platform) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=folder,
        env=here.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_examples(here: Platform, tmp_path: Path) -> None:
    blocking, awaited = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, text in {"data/a.txt": "a", "code/main.py": SCRIPT}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)

    said = run(blocking, tmp_path, here).splitlines()

    assert "stdout trained at 0.1" in said
    assert said[-2].startswith("ann/letters/")
    assert said[-2].endswith("Exited 0 {'train/loss': 0.05}")
    assert said[-1] == "[0.1, 0.05]"
    (model,) = (tmp_path / "models").rglob("best/model")
    assert model.read_text() == "weights"

    assert run(awaited, tmp_path, here) == "the best is (0.1, 0.05)\n"
