"""An environment is recorded as it was resolved, and built again to the letter."""

import sys
from pathlib import Path

import pytest

from nsml_protos import session_pb2
from nsml_runner import pins, requirements
from tests.runner.conftest import Platform
from tests.runner.packages import package, wheel

CODE = "import tiny; print(tiny.VERSION)"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def index(platform: Platform, *versions: str) -> Path:
    """Make a folder of wheels, where packages come from."""
    folder = platform.home / "wheels"
    folder.mkdir(exist_ok=True)
    for version in versions:
        wheel(folder, "tiny", version)
    return folder


def code(folder: Path, **files: str) -> dict[str, str | bytes]:
    asked = f"--no-index\n--find-links {folder}\ntiny\n"
    return {"main.py": CODE, "requirements.txt": asked, **files}


def built(platform: Platform) -> int:
    """Return how many environments there are, under however many names."""
    envs = platform.home / "cache" / "envs"
    return len({path.resolve() for path in envs.rglob("complete.json")})


async def test_code_that_asks_for_nothing_has_no_packages(platform: Platform) -> None:
    told = await platform.run("print(1)")

    assert (told.packages, told.python) == ([], PYTHON)


async def test_exactly_what_was_recorded_is_built_whatever_is_newer(platform: Platform) -> None:
    files = code(index(platform, "1.0", "2.0"))
    told = await platform.run(files, packages=["tiny==1.0"], python=PYTHON)

    assert told.output() == b"1.0\n"
    assert told.packages == ["tiny==1.0"]
    assert b"from the packages that were recorded" in told.output(session_pb2.PLATFORM)


async def test_the_same_packages_are_not_built_twice(platform: Platform) -> None:
    files = code(index(platform, "1.0"))
    first = await platform.run(files)
    assert (first.packages, first.python) == (["tiny==1.0"], PYTHON)
    index(platform, "2.0")
    again = await platform.run(files, packages=first.packages, python=PYTHON)
    other = {**files, "main.py": f"{CODE} # and more"}
    elsewhere = await platform.run(other, packages=first.packages, python=PYTHON)

    assert [again.output(), elsewhere.output()] == [b"1.0\n"] * 2
    assert again.output(session_pb2.BUILD, session_pb2.PLATFORM) == b""
    assert again.started == elsewhere.started == first.started
    assert built(platform) == 1


async def test_a_name_that_leads_to_other_packages_is_not_believed(platform: Platform) -> None:
    files = code(index(platform, "1.0"))
    first = await platform.run(files)
    (marker,) = (platform.home / "cache" / "envs").glob("*/complete.json")
    index(platform, "2.0")
    marker.unlink()
    assert (await platform.run(files)).output() == b"2.0\n"

    again = await platform.run(files, packages=first.packages, python=PYTHON)

    assert (again.output(), again.started) == (b"1.0\n", first.started)


async def test_a_package_of_the_code_itself_is_installed_from_it_again(platform: Platform) -> None:
    files = {"main.py": CODE, "requirements.txt": "./tiny\n", **package("tiny/", "tiny", "3.0")}
    first = await platform.run(files)
    for marker in (platform.home / "cache" / "envs").glob("*/complete.json"):
        marker.unlink()
    again = await platform.run(files, packages=first.packages, python=PYTHON)

    assert first.packages == ["tiny @ ./tiny"]
    assert (again.output(), again.packages) == (b"3.0\n", first.packages)
    assert again.started == first.started


async def test_a_wheel_named_by_its_place_is_recorded_with_its_hash(platform: Platform) -> None:
    folder = index(platform, "1.0")
    asked = f"tiny @ file://{folder}/tiny-1.0-py3-none-any.whl\n"
    told = await platform.run({"main.py": CODE, "requirements.txt": asked})
    (pin,) = told.packages
    assert pin.startswith(f"{asked.strip()}#sha256=")

    wheel(folder, "tiny", "1.0", content="VERSION = 'forged'")
    for marker in (platform.home / "cache" / "envs").glob("*/complete.json"):
        marker.unlink()
    forged = await platform.run({"main.py": CODE}, packages=told.packages, python=PYTHON)

    assert forged.started == []
    assert forged.outcome.message.startswith(
        "The environment cannot be rebuilt: tiny is not what it was, its hash has changed; "
    )


@pytest.mark.parametrize(
    ("packages", "python", "sentence"),
    [
        (["tiny==1.0", "zoo==1"], PYTHON, "zoo==1 was not found where packages come from; "),
        ([], "2.7", f"it had Python 2.7, and this node has {PYTHON}; "),
    ],
)
async def test_what_cannot_be_rebuilt_is_named_before_the_code_starts(
    platform: Platform, packages: list[str], python: str, sentence: str
) -> None:
    files = code(index(platform, "1.0"))
    told = await platform.run(files, packages=packages, python=python)

    assert told.started == []
    assert told.outcome.message == (
        f"The environment cannot be rebuilt: {sentence}"
        "`--new-environment` of `nsml resume` and `nsml fork` resolves its requirements anew."
    )
    assert built(platform) == 0


def direct(**said: object) -> dict[str, object]:
    return {"url": "https://host/tiny.git", **said}


def test_a_commit_is_recorded_and_not_the_branch(tmp_path: Path) -> None:
    said = direct(vcs_info={"vcs": "git", "requested_revision": "main", "commit_id": "abc"})

    assert pins._origin(said, tmp_path) == "git+https://host/tiny.git@abc"
    below = {**said, "subdirectory": "src"}
    assert pins._origin(below, tmp_path) == "git+https://host/tiny.git@abc#subdirectory=src"


def test_where_packages_come_from_is_part_of_what_they_are(tmp_path: Path) -> None:
    text = "-i https://host/simple\n-f ./wheels\n--no-index\n-r more.txt\ntiny\n"
    (tmp_path / "requirements.txt").write_text(text)
    (tmp_path / "more.txt").write_text("--only-binary :all:\n-found==1\n")
    needs = requirements.read(tmp_path)
    here = pins.Pins(needs, ("tiny==1.0",))

    assert needs.options == (*text.splitlines()[:3], "--only-binary :all:")
    assert here.requirements().splitlines() == [*needs.options, "tiny==1.0"]
    (tmp_path / "requirements.txt").write_text("tiny\n")
    assert pins.Pins(requirements.read(tmp_path), ("tiny==1.0",)).key("") != here.key("")
