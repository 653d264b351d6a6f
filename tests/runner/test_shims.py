"""Modules of other names lead user code to NSML, unless it brought the real ones."""

import ast
from pathlib import Path

from nsml_runner.sdk_files import SHIMS, sdk_package
from tests.runner.conftest import Platform
from tests.runner.packages import package

NOVA = """
import nova
from nova import *
from nova.constants import SESSION_NAME as NAME
import nsml

nova.bind(save=lambda path: open(path + "/model", "w").write("w"))
nova.report(summary=True, step=1, loss=0.5)
nova.save(1)
assert nova is nsml and IS_ON_NSML and NAME == nsml.SESSION_NAME
"""


async def test_a_script_of_2023_finds_its_sdk(platform: Platform) -> None:
    told = await platform.run(NOVA)

    assert told.outcome.exit_code == 0
    assert [point.name for point in told.checkpoints] == ["1"]


async def test_a_module_of_the_users_own_is_preferred(platform: Platform) -> None:
    files = {
        "src/main.py": "import nova; print(nova.MINE)",
        "nova.py": "MINE = 1",
        "pyproject.toml": "",
    }
    told = await platform.run(files, entry="src/main.py")

    assert told.output() == b"1\n"


async def test_a_shim_steps_aside_for_the_package_that_was_asked_for(platform: Platform) -> None:
    files = {
        "main.py": "import nova; print(nova.VERSION)",
        "requirements.txt": "./real\n",
        **package("real/", "nova", "9.0"),
    }
    told = await platform.run(files)

    assert told.output() == b"9.0\n"


def test_every_shim_is_laid_out() -> None:
    folder = sdk_package() / "shims"
    there = {path.stem for path in folder.iterdir() if not path.name.startswith("_")}

    assert there == {name.rpartition(".")[2] for name in SHIMS}


def test_no_shim_keeps_what_a_second_copy_would_not_share() -> None:
    """User code gets a shim under another name than `nsml.shims`: its state lies elsewhere."""
    relative = [
        f"{path}:{node.lineno}"
        for path in Path(sdk_package() / "shims").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []
