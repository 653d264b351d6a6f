"""In what sessions differ."""

import subprocess

from tests.history.training import write_code
from tests.journeys.person import Person, content, session


def ran(ann: Person, *words: str, **files: str) -> str:
    code = write_code(ann, **files)
    done = ann.nsml("run", "-g", "0", "-f", *words, at=code)
    assert done.returncode == 0, done.stderr
    return session(done.stdout)


def test_settings_metrics_and_code_side_by_side(ann: Person) -> None:
    first = ran(ann, "-a", "--until 2", "--env", "A=1", **{"lib.py": "x = 1\ny = 2\n"})
    second = ran(ann, "-a", "--until 4", "-c", "2", **{"lib.py": "x = 1\n\ty = 3", "b.bin": "\0"})
    third = ran(ann, "-a", "--until 2", "--env", "A=1", "--seed", "7")

    told = ann.json("diff", first, second, third)

    assert told["sessions"] == [first, second, third]
    settings = told["settings"]
    assert settings["Args"] == ["--until 2", "--until 4", "--until 2"]
    assert settings["Resources"] == ["no GPUs, 1 CPU", "no GPUs, 2 CPUs", "no GPUs, 1 CPU"]
    assert settings["Env A"] == ["1", "", "1"]
    assert settings["Seed"][2] == "7"
    assert "Entry" not in settings
    assert told["metrics"]["loss"] == ["0.5 at 2", "0.25 at 4", "0.5 at 2"]
    changed = [{file["path"]: file["change"] for file in one["files"]} for one in told["code"]]
    assert changed[0] == {"b.bin": "binary, added", "lib.py": "changed"}
    said = ann.says("diff", first, second)
    for line in ("-y = 2", "+\ty = 3", "b.bin: binary, added", "0.25 at 4"):
        assert line in said.split("\n") or line in said


def test_the_diff_of_code_is_a_patch(ann: Person) -> None:
    first = ran(ann, "-a", "--until 1", **{"lib.py": "x = 1\ny = 2\n", "gone.py": "1\n"})
    (ann.folder / "code/gone.py").unlink()
    second = ran(ann, "-a", "--until 1", **{"lib.py": "x = 1\ny = 3", "new.py": "2\n"})
    ann.says("pull", first, ".")
    ann.says("pull", second, ".")
    old, new = (ann.folder / name.replace("/", "_") / "code" for name in (first, second))
    files = ann.json("diff", first, second)["code"][0]["files"]
    patch = "".join(file["diff"] + "\n" for file in files)

    subprocess.run(["git", "apply", "-"], cwd=old, input=patch, text=True, check=True)

    assert content(old) == content(new)


def test_the_same_differs_in_nothing(ann: Person) -> None:
    one = ran(ann, "-a", "--until 1")

    done = ann.nsml("diff", one, one)

    assert done.returncode == 0
    assert done.stderr == "They do not differ in anything that is compared.\n"


def test_names_that_make_no_sense(ann: Person) -> None:
    one = ran(ann, "-a", "--until 1")

    assert "two sessions or more" in ann.refused("diff", one, code=2)
    ann.refused("diff", one, "None/999999", code=3)
