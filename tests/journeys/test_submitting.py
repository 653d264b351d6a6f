"""Several checkpoints at once, in the background, by another script, and why evaluations failed."""

import pytest

from tests.journeys.documented import fields
from tests.journeys.person import Files, Person, session

DATA: Files = {
    "train/train_data": "1\n",
    "test/test_data": "1\n2\n",
    "test/test_label": "1\n0\n",
    "data_loader.py": (
        "def feed_infer(output_file, infer_func):\n"
        "    with open(output_file, 'w') as file:\n"
        "        file.write(infer_func(None))\n"
    ),
    "evaluation.py": (
        "import sys\n"
        "with open(sys.argv[sys.argv.index('--prediction') + 1]) as file:\n"
        "    print(float(file.read()))\n"
    ),
    "board.yml": "rate: 3/1h\nhold: 1\n",
}
SCRIPT = """
import nsml
from pathlib import Path
told = {{}}
nsml.bind(
    save=lambda path: Path(path, "what").write_text(told["what"]),
    load=lambda path: told.update(what=Path(path, "what").read_text()),
    infer=lambda data: {infer},
)
nsml.paused()
for told["what"] in ("0.25", "words", "0.5"):
    nsml.save(told["what"])
"""


@pytest.fixture(scope="module")
def heat(machine: Person) -> str:
    """A session that trained for a board which takes three scores an hour."""
    folder = machine.write("heat", DATA)
    machine.says("dataset", "push", "heat", str(folder), "-l")
    machine.says("board", "create", "heat", "-f", str(folder / "board.yml"))
    script = SCRIPT.format(infer="told['what']")
    other = SCRIPT.format(infer="'0.75'")
    done = machine.runs(script, "-d", "heat", files={"other.py": other}, name="heater")
    assert done.returncode == 0, done
    return session(done.stdout)


def test_checkpoints_are_submitted_one_after_another(ann: Person, heat: str) -> None:
    holds_none_back(ann, heat)
    sees_why(ann)
    goes_on_in_the_background_by_another_script(ann, heat)
    is_over_the_limit(ann, heat)


def holds_none_back(ann: Person, heat: str) -> None:
    missing = ann.refused("submit", heat, "0.25", "0.3", code=3)
    assert "has no checkpoint 0.3: none is submitted" in missing
    done = ann.nsml("submit", heat, "0.25", "words", "0.5")
    said = [line for line in done.stdout.splitlines() if line.startswith(("Check", "Score"))]
    assert done.returncode == 1, done
    assert said == [
        *("Checkpoint 0.25", "Score: 0.25"),
        "Checkpoint words",
        *("Checkpoint 0.5", "Score: 0.5"),
    ]
    failed, summary = done.stderr.splitlines()
    assert "The evaluation ended with exit code 1 (ValueError)" in failed
    assert failed.endswith("It costs no submission.")
    assert summary == "2 of 3 scored."


def sees_why(ann: Person) -> None:
    """The board's owner finds the stack trace of the evaluation."""
    (failed,) = ann.json("board", "heat", "--failures")
    assert set(failed) == fields("board NAME --failures") | fields("board NAME --mine")
    assert failed["checkpoint"] == "words"
    assert "could not convert string to float: 'words'" in failed["printed"]
    assert "could not convert string to float: 'words'" in ann.says("board", "heat", "--failures")


def goes_on_in_the_background_by_another_script(ann: Person, heat: str) -> None:
    name = session(ann.says("submit", "-b", "-e", "other.py", heat, "0.5"))
    ann.wait(name, "Exited")
    (best,) = (one for one in ann.json("board", "heat", "--mine") if one["best"])
    assert (best["submission"], best["scores"][0]["public"]) == (name, 0.75)


def is_over_the_limit(ann: Person, heat: str) -> None:
    done = ann.nsml("submit", "-b", heat, "0.25", "0.5")
    assert (done.returncode, done.stdout) == (1, "Checkpoint 0.25\nCheckpoint 0.5\n")
    first, second, summary = done.stderr.splitlines()
    assert "0.25 is not submitted: Rate limit exceeded: remained time: " in first
    assert "0.5 is not submitted: Rate limit exceeded: remained time: " in second
    assert summary == "0 of 2 started."
