"""Environments are built once from what the code asks for, and a build that fails says why."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nsml_protos import session_pb2
from nsml_runner import requirements
from tests.runner.conftest import Platform
from tests.runner.packages import package

CODE = "import tiny; print(tiny.VERSION)"


def project(version: str = "1.0", code: str = CODE) -> dict[str, str | bytes]:
    files = {"main.py": code, "requirements.txt": "# what we need\n./tiny\n"}
    return {**files, **package("tiny/", "tiny", version)}


def environments(platform: Platform) -> list[Path]:
    return [marker.parent for marker in (platform.home / "cache" / "envs").glob("*/complete.json")]


async def test_requirements_are_there_and_their_build_is_in_the_log(platform: Platform) -> None:
    told = await platform.run(project())

    assert told.output() == b"1.0\n"
    assert b"Building the environment from requirements.txt" in told.output(session_pb2.PLATFORM)
    assert b"Successfully installed tiny-1.0" in told.output(session_pb2.BUILD)


async def test_a_second_run_builds_nothing_and_names_the_same_environment(
    platform: Platform,
) -> None:
    first, second = await platform.run(project()), await platform.run(project())

    assert second.output() == b"1.0\n"
    assert second.output(session_pb2.BUILD, session_pb2.PLATFORM) == b""
    assert second.started == first.started


async def test_sessions_that_want_the_same_at_once_build_it_once(platform: Platform) -> None:
    several = await asyncio.gather(*(platform.run(project()) for _ in range(4)))

    assert [told.output() for told in several] == [b"1.0\n"] * 4
    assert len([told for told in several if told.output(session_pb2.BUILD)]) == 1
    assert len(environments(platform)) == 1


async def test_resolved_versions_are_kept_and_make_the_identity(platform: Platform) -> None:
    one, two = await platform.run(project("1.0")), await platform.run(project("2.0"))
    kept = [json.loads((folder / "complete.json").read_text()) for folder in environments(platform)]

    assert sorted(each["packages"] for each in kept) == [["tiny==1.0"], ["tiny==2.0"]]
    assert one.started != two.started
    assert sorted(each["identity"] for each in kept) == sorted(one.started + two.started)


@pytest.mark.parametrize("broken", ["marker", "interpreter"])
async def test_a_broken_environment_is_built_again(platform: Platform, broken: str) -> None:
    await platform.run(project())
    (folder,) = environments(platform)
    if broken == "marker":
        (folder / "complete.json").write_text("{")
    else:
        (folder / "bin" / "python").unlink()
    told = await platform.run(project())

    assert told.output() == b"1.0\n"
    assert b"Successfully installed" in told.output(session_pb2.BUILD)


async def test_a_requirement_that_does_not_exist_fails_the_session(platform: Platform) -> None:
    files: dict[str, Any] = {"main.py": "print(1)", "requirements.txt": "./not-there\n"}
    told = await platform.run(files)

    assert told.started == []
    assert not told.outcome.HasField("exit_code")
    assert told.outcome.message.startswith(
        "The environment could not be built from requirements.txt: "
    )
    assert "not-there" in told.outcome.message
    assert b"not-there" in told.output(session_pb2.BUILD)
    assert environments(platform) == []


async def test_requirements_that_make_no_sense_fail_the_session(platform: Platform) -> None:
    told = await platform.run(
        {"main.py": "print(1)", "requirements.txt": "this is ! no requirement"}
    )

    assert told.started == []
    assert "Invalid requirement" in told.outcome.message


async def test_a_build_is_not_told_the_platforms_secrets(platform: Platform) -> None:
    told = await platform.run(
        {
            "main.py": "print(1)",
            "requirements.txt": "./nosy",
            **package(
                "nosy/",
                "nosy",
                then="import os; print(dict(os.environ), flush=True)\nraise SystemExit(1)",
            ),
        }
    )

    assert "HOME" in told.output(session_pb2.BUILD).decode()
    assert "NSML_" not in told.output(session_pb2.BUILD).decode()


async def test_an_editable_install_does_not_end_with_its_session(platform: Platform) -> None:
    files = {**project(), "requirements.txt": "-e ./tiny\n"}
    await platform.run(files)
    told = await platform.run(files)

    assert told.output() == b"1.0\n"
    assert told.output(session_pb2.BUILD) == b""


async def test_a_projects_own_packages_can_be_imported_from_a_sub_folder(
    platform: Platform,
) -> None:
    told = await platform.run(
        {
            "scripts/train.py": "import mine; print(mine.NAME)",
            "mine/__init__.py": "NAME = 'mine'",
            "pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = []\n",
        },
        entry="scripts/train.py",
    )

    assert told.output() == b"mine\n"


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.txt").write_text(content)
    return folder


def test_comments_do_not_make_another_environment(tmp_path: Path) -> None:
    plain = requirements.read(write(tmp_path, requirements="a==1\nb")).key("")
    commented = requirements.read(write(tmp_path, requirements="# why\na==1\n\nb  # because")).key(
        ""
    )

    assert plain == commented


def test_a_setup_file_of_comments_only_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("#nsml: python:3.12\n\n# nothing else\n")
    assert requirements.read(tmp_path).nothing


def test_an_included_file_makes_another_environment(tmp_path: Path) -> None:
    one = requirements.read(write(tmp_path, requirements="-r other.txt", other="a==1")).key("")
    two = requirements.read(write(tmp_path, requirements="-r other.txt", other="a==2")).key("")

    assert one != two


def test_files_that_include_each_other_come_to_an_end(tmp_path: Path) -> None:
    write(tmp_path, requirements="-r other.txt", other="-r requirements.txt")

    assert set(requirements.read(tmp_path).files) == {"requirements.txt", "other.txt"}


def test_the_code_matters_only_where_it_is_installed(tmp_path: Path) -> None:
    plain = requirements.read(write(tmp_path, requirements="a==1"))
    local = requirements.read(write(tmp_path, requirements="a==1\n-e ."))

    assert plain.key("one") == plain.key("two")
    assert local.key("one") != local.key("two")


def test_dependencies_of_a_project_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname='x'\ndependencies=['a>1', 'b']")

    assert requirements.read(tmp_path).dependencies == ("a>1", "b")


@pytest.mark.parametrize("content", ["[tool.ruff]\n", ""])
def test_a_project_file_of_tools_only_asks_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)

    assert requirements.read(tmp_path).nothing


SETUP = """#nsml: pytorch/pytorch
from {module} import setup
setup(
    name="old times", version="1.0",
    install_requires=["tiny @ file://" + __import__("os").getcwd() + "/tiny"],
)
"""


@pytest.mark.parametrize("module", ["distutils.core", "setuptools"])
async def test_what_setup_py_asks_for_is_there(platform: Platform, module: str) -> None:
    told = await platform.run(
        {
            "main.py": CODE,
            "setup.py": SETUP.format(module=module),
            # Folders side by side, which `pip install .` would refuse to choose a package from.
            "model/net.py": "",
            "data/words.txt": "",
            **package("tiny/", "tiny"),
        }
    )

    assert told.output() == b"1.0\n", told.output(session_pb2.BUILD)


async def test_a_broken_setup_py_fails_the_session(platform: Platform) -> None:
    told = await platform.run({"main.py": "print(1)", "setup.py": "import not_there"})

    assert told.started == []
    assert "No module named 'not_there'" in told.outcome.message
    assert "setup.py" in told.outcome.message
