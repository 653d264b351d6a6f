"""What every sandbox must do; tests/docker runs the same on containers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nsml_runner.sandbox import Command, Running, Sandbox
from nsml_runner.sandbox_process import ProcessSandbox


@dataclass
class Kind:
    """What differs from one sandbox to another."""

    sandbox: Sandbox
    python: str
    cwd: Path
    """Where user code finds a folder of its own."""

    adds: frozenset[str]
    """Variables that the sandbox itself brings."""

    def command(self, code: str, *, cpus: int = 0) -> Command:
        return Command((self.python, "-c", code), self.cwd, {"COLOUR": "blue"}, cpus)

    def pids(self, running: Running, printed: Sequence[int]) -> list[int]:
        """Return how this node knows the processes that code has printed."""
        return list(printed)


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    sandbox = ProcessSandbox(tmp_path / "cpus")
    return Kind(sandbox, sys.executable, tmp_path, frozenset())


def read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


async def end(running: Running) -> int:
    code = await running.wait()
    await running.kill()
    return code


async def test_code_gets_its_folder_and_its_environment_only(kind: Kind) -> None:
    code = "import os; print(os.getcwd(), *sorted(set(os.environ) - {'LC_CTYPE'}))"
    running = await kind.sandbox.start(kind.command(code))

    assert await end(running) == 0
    cwd, *names = read(running.stdout).decode().split()
    assert (cwd, set(names) - kind.adds) == (str(kind.cwd), {"COLOUR"})
    assert read(running.stderr) == b""


async def test_nothing_can_be_read_from_its_input(kind: Kind) -> None:
    running = await kind.sandbox.start(kind.command("import sys; print(repr(sys.stdin.read()))"))

    assert await end(running) == 0
    assert read(running.stdout) == b"''\n"
    os.close(running.stderr)


async def test_all_that_was_said_is_there_once_nothing_is_left(kind: Kind) -> None:
    running = await kind.sandbox.start(kind.command("print('x' * 50_000)"))

    assert await end(running) == 0
    os.set_blocking(running.stdout, False)  # as whoever has waited for its end reads it
    assert read(running.stdout) == b"x" * 50_000 + b"\n"
    os.close(running.stderr)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 11)", -11)],
)
async def test_it_tells_how_the_code_ended(kind: Kind, code: str, expected: int) -> None:
    running = await kind.sandbox.start(kind.command(code))

    assert await end(running) == expected
    os.close(running.stdout)
    os.close(running.stderr)


async def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing_open(kind: Kind) -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(OSError, match="not-there"):
        await kind.sandbox.start(Command(("not-there",), kind.cwd, {}))

    assert psutil.Process().num_fds() == before


HIDE = """
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
child = subprocess.Popen(['sleep', '600'], start_new_session=True)
os.write(1, b'%d %d\\n' % (os.getpid(), child.pid))
time.sleep(600)
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A child that was there before."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


async def test_kill_ends_all_that_was_started_and_nothing_else(
    stranger: subprocess.Popen[bytes], kind: Kind
) -> None:
    running = await kind.sandbox.start(kind.command(HIDE))
    with os.fdopen(running.stdout) as pipe:
        pids = [int(word) for _ in range(2) for word in pipe.readline().split()]
    os.close(running.stderr)
    pids = kind.pids(running, pids)
    await running.terminate()
    await running.kill()

    assert await running.wait() == -9
    assert len(set(pids)) >= 4
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert stranger.poll() is None


async def test_it_measures_children_too(kind: Kind) -> None:
    code = (
        "import os, time\n"
        "kept = b'x' * (30 << 20)\n"
        "child = os.fork()\n"
        "if not child: kept = b'y' * (40 << 20)\n"
        "os.write(1, b'!')\n"
        "time.sleep(600)"
    )
    running = await kind.sandbox.start(kind.command(code))
    assert os.read(running.stdout, 1) == os.read(running.stdout, 1) == b"!"
    use, exact = running.measure(), running.measure(exact=True)
    await running.kill()
    await running.wait()

    assert use.cpu_seconds > 0
    assert 70 << 20 < exact.memory_bytes <= use.memory_bytes
    os.close(running.stdout)
    os.close(running.stderr)


async def test_it_holds_the_code_to_its_cpus(kind: Kind) -> None:
    usable = len(os.sched_getaffinity(0))
    code = "import os, time; print(len(os.sched_getaffinity(0)), flush=True); time.sleep(600)"
    several = [await kind.sandbox.start(kind.command(code, cpus=1)) for _ in range(usable + 1)]
    chosen = [psutil.Process(each.pid).cpu_affinity() or [] for each in several]
    for running in several:
        await running.kill()
        await running.wait()
        os.close(running.stdout)
        os.close(running.stderr)

    assert {len(cpus) for cpus in chosen} == {1}
    # Each has one of its own, until there are none left.
    assert len({cpus[0] for cpus in chosen[:usable]}) == usable
