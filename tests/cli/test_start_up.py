"""A command imports what it uses, and no more: that is what makes it quick."""

import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ("asyncio", "google.protobuf", "grpc", "h2", "humanize", "matplotlib", "rich", "textual")


def imported_by(*arguments: str, home: str) -> set[str]:
    program = (
        "import sys\nfrom nsml_cli.__main__ import run\nrun(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"NSML_HOME": home},
    )
    modules = set(done.stderr.splitlines()[-1].split())
    return {slow for slow in SLOW if slow in modules}


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("nonsense",)])
def test_help_imports_nothing_slow(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert imported_by(*arguments, home=str(tmp_path)) == set()


UNARY = ("ps", "credit", "whoami", "stop mnist/1", "dataset ls", "ps --at 1h", "resume mnist/1",
         "fork mnist/1", "history mnist/1", "why mnist/1", "tree mnist/1", "show mnist/1 --at 1h",
         "diff mnist/1 mnist/2", "plot mnist/1", "top --once")  # fmt: skip


@pytest.mark.parametrize("command", UNARY)
def test_a_unary_command_does_without_grpcio(command: str, tmp_path: Path) -> None:
    assert imported_by(*command.split(), home=str(tmp_path)) <= {"google.protobuf", "h2"}
