"""What a session ran in is known package by package, and its next attempts run in the same."""

import json
from pathlib import Path

from tests.journeys.person import Done, Person, session
from tests.runner.packages import wheel

SCRIPT = """
import json, sys
from pathlib import Path
import nsml, tiny
nsml.bind(save=lambda folder: (Path(folder) / "x").write_text("x"), load=lambda folder: None)
nsml.paused()
print("tiny", tiny.VERSION, flush=True)
nsml.report(step=1, loss=0.5)
nsml.save(1)
"""


class Code:
    """A script that needs whichever version of a package its own folder of wheels has."""

    def __init__(self, ann: Person) -> None:
        self._ann = ann
        self.wheels = ann.folder / "wheels"
        self.wheels.mkdir()
        self.has("1.0")
        asked = f"--no-index\n--find-links {self.wheels}\ntiny\n"
        self._folder = ann.write("code", {"main.py": SCRIPT, "requirements.txt": asked})

    def has(self, version: str) -> Path:
        return wheel(self.wheels, "tiny", version)

    def runs(self) -> str:
        done = self._ann.nsml("run", "-g", "0", "-f", at=self._folder)
        assert done.returncode == 0, done
        return session(done.stdout)

    def forget_environments(self) -> None:
        """Let nothing be left of what was built, as on another node."""
        cache = self._ann.home / "cache" / "envs"
        for marker in cache.rglob("complete.json"):
            if "tiny" in marker.read_text():
                marker.unlink()


def versions(done: Done) -> list[str]:
    assert done.returncode == 0, done
    return [line for line in done.stdout.splitlines() if line.startswith("tiny ")]


def test_it_goes_on_in_what_it_ran_in_whatever_is_newer(ann: Person) -> None:
    code = Code(ann)
    name = code.runs()
    code.has("2.0")
    code.forget_environments()

    assert versions(ann.nsml("resume", name, "-f")) == ["tiny 1.0"]
    assert versions(ann.nsml("fork", name, "-f")) == ["tiny 1.0"]
    newer = ann.nsml("resume", name, "-f", "--new-environment")
    assert versions(newer) == ["tiny 2.0"]

    attempts = ann.json("show", name)["attempts"]
    packages = [["tiny==1.0"], ["tiny==1.0"], ["tiny==2.0"]]
    assert [tried["packages"] for tried in attempts] == packages
    assert "from checkpoint 1, its environment resolved anew" in ann.says("history", name)
    first, second, third = (tried["environment"] for tried in attempts)
    assert first == second != third
    said = ann.says("show", name, "-v")
    assert "Packages of attempt 1, for Python 3" in said
    assert said.count("tiny==1.0\n") == said.count("tiny==2.0\n") == 1

    saved = [line for line in ann.json("history", name) if line["event"] == "CheckpointSaved"]
    then = str(saved[0]["sequence"])
    assert versions(ann.nsml("fork", name, "--at", then, "-f")) == ["tiny 1.0"]
    assert versions(ann.nsml("fork", name, "-f")) == ["tiny 2.0"], "as it ran last"


def test_a_replay_is_given_all_that_was_recorded_and_a_diff_names_each_package(
    ann: Person,
) -> None:
    code = Code(ann)
    first = code.runs()
    code.has("2.0")
    code.forget_environments()

    told = ann.json("replay", first)
    second = code.runs()

    assert (told["identical"], told["differences"]) == (True, [])
    again = ann.json("show", told["replay"])["attempts"][0]
    assert again["packages"] == ["tiny==1.0"]
    settings = ann.json("diff", first, told["replay"], second)["settings"]
    assert settings["Package tiny"] == ["1.0", "1.0", "2.0"]
    assert "Python" not in settings


def test_what_cannot_be_rebuilt_is_named_and_costs_nothing(ann: Person) -> None:
    code = Code(ann)
    name = code.runs()
    before = ann.json("credit")
    code.has("2.0")
    (code.wheels / "tiny-1.0-py3-none-any.whl").unlink()
    code.forget_environments()
    sentence = (
        "The environment cannot be rebuilt: tiny==1.0 was not found where packages come from; "
        "`--new-environment` of `nsml resume` and `nsml fork` resolves its requirements anew."
    )

    done = ann.nsml("replay", name, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr.splitlines()[-1]
    assert said.endswith(f"should replay {name} and did not start: {sentence}")

    resumed = ann.nsml("resume", name, "-f")
    assert resumed.returncode == 1
    shown = ann.json("show", name)
    assert (shown["status"], shown["reason"]) == ("Failed", sentence)
    assert shown["attempts"][-1]["started"] is None
    assert ann.json("credit") == before
    assert json.dumps(sentence) in json.dumps(ann.json("why", name))
    assert f"To go on  nsml resume {name} --new-environment\n" in ann.says("why", name)
    assert versions(ann.nsml("resume", name, "-f", "--new-environment")) == ["tiny 2.0"]
