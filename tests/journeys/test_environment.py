"""Packages that code asks for: built once, shown while they are built, and there at once after."""

from tests.journeys.person import Person
from tests.runner.packages import package

SCRIPT = "import tiny; print('tiny', tiny.VERSION)"


def test_an_environment_is_built_once(ann: Person) -> None:
    files = {"requirements.txt": "./tiny\n", **package("tiny/", "tiny", "1.0")}
    first = ann.runs(SCRIPT, files=files, name="first")
    assert first.stdout.splitlines()[-1] == "tiny 1.0"
    assert first.stdout.splitlines()[1] == "Building the environment from requirements.txt"
    assert "Successfully installed tiny-1.0" in first.stdout

    second = ann.runs(SCRIPT, "-a", "--lr 0.2", files=files, name="second")
    assert second.stdout.splitlines()[1:] == ["tiny 1.0"]
    environments = {
        ann.json("show", done.stdout.split()[1])["attempts"][0]["environment"]
        for done in (first, second)
    }
    assert len(environments) == 1

    newer = {**files, **package("tiny/", "tiny", "2.0")}
    assert ann.runs(SCRIPT, files=newer, name="third").stdout.splitlines()[-1] == "tiny 2.0"


def test_the_platforms_own_packages_are_not_there(ann: Person) -> None:
    done = ann.runs("import grpc")
    assert "No module named 'grpc'" in done.stdout
