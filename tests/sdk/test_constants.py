"""What a script knows about where it runs."""

import ast

from tests.sdk.conftest import SDK, Script


def test_off_the_platform_every_constant_is_safe_to_use(laptop: Script) -> None:
    ended = laptop.run("""
        from nsml import *
        assert (DATASET_PATH, DATASET_NAME, SESSION_NAME, NSML_NFS_OUTPUT) == ("", "", "", "")
        assert (HAS_DATASET, IS_DATASET, IS_ON_NSML) == (False, False, False)
        assert GPU_NUM == 0 and type(GPU_NUM) is int
        assert CPU_NUM >= 1 and MEMORY == 0
        assert (DATASETS, OUTPUT_PATH) == ({}, ".")
        assert (PARALLEL_WORLD, PARALLEL_PORTS, MY_RANK) == ([], [], 0)
    """)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_in_a_session_they_say_what_the_runner_said(session: Script) -> None:
    ended = session.run(
        """
        import nsml
        from nsml.constants import DATASET_PATH, GPU_NUM
        assert DATASET_PATH == nsml.DATASET_PATH == "/data/mnist"
        assert (nsml.DATASET_NAME, nsml.HAS_DATASET, nsml.IS_DATASET) == ("mnist", True, True)
        assert nsml.DATASETS == {"mnist": "/data/mnist", "extra": "/data/extra"}
        assert (GPU_NUM, nsml.CPU_NUM, nsml.MEMORY) == (2, 4, 8 << 30)
        assert (nsml.IS_ON_NSML, nsml.SESSION_NAME) == (True, "ann/mnist/3")
        assert (nsml.OUTPUT_PATH, nsml.NSML_NFS_OUTPUT) == ("/work/output", "/nfs")
        """,
        NSML_DATASET_PATH="/data/mnist",
        NSML_DATASET_NAME="mnist",
        NSML_DATASETS='{"mnist": "/data/mnist", "extra": "/data/extra"}',
        NSML_GPU_NUM="2",
        NSML_CPU_NUM="4",
        NSML_MEMORY=str(8 << 30),
        NSML_OUTPUT="/work/output",
        NSML_NFS_OUTPUT="/nfs",
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_star_import_leaves_the_copy_module_alone(laptop: Script) -> None:
    ended = laptop.run("""
        import copy
        from nsml import *
        assert copy.deepcopy([1]) == [1]
    """)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_import_leaves_the_slow_modules_for_later(session: Script) -> None:
    ended = session.run("""
        import sys
        before = set(sys.modules)
        import nsml
        print(sorted(name for name in set(sys.modules) - before if not name.startswith("nsml")))
    """)

    assert ended.stdout == "['__future__']\n"


def test_the_code_is_python_3_8() -> None:
    modules = sorted((SDK / "nsml").rglob("*.py"))

    for module in modules:
        ast.parse(module.read_text("utf-8"), feature_version=(3, 8))
    assert modules
