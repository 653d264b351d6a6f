"""The forkserver becomes many runners, outlives who asked for them, and cleans up after a crash."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runner.conftest import Platform, until

SLEEP = "import time; print('ready', flush=True); time.sleep(600)"


class Forkserver:
    def __init__(self, path: Path, process: asyncio.subprocess.Process) -> None:
        self.path = path
        self.process = process

    async def ask(self, *requests: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        for request in requests:
            line = request if isinstance(request, bytes) else json.dumps(request).encode()
            writer.write(line + b"\n")
        answers = [json.loads(await reader.readline()) for _ in requests]
        writer.close()
        await writer.wait_closed()
        return answers


async def launch(path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nsml_runner.forkserver", str(path)
    )


async def until_served(path: Path) -> None:
    while True:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(platform: Platform) -> AsyncIterator[Forkserver]:
    path = platform.home / "run" / "forkserver.sock"
    process = await launch(path)
    await until_served(path)
    yield Forkserver(path, process)
    if process.returncode is None:
        process.terminate()
    await process.wait()


@pytest.fixture
async def forkserver(platform: Platform) -> AsyncIterator[Forkserver]:
    async with serving(platform) as found:
        yield found


async def test_fifty_sessions_at_once_all_end_well(
    platform: Platform, forkserver: Forkserver
) -> None:
    names = [await platform.assign(f"print({number})") for number in range(50)]
    answers = await asyncio.gather(*(forkserver.ask(platform.ticket(name)) for name in names))
    for name in names:
        await platform.recorder.told[name].until(lambda told: told.end)

    assert len({answer["pid"] for (answer,) in answers}) == 50
    outputs = [platform.recorder.told[name].output() for name in names]
    assert outputs == [b"%d\n" % number for number in range(50)]
    codes = [platform.recorder.told[name].outcome.exit_code for name in names]
    assert codes == [0] * 50


async def test_many_requests_may_come_on_one_connection(
    platform: Platform, forkserver: Forkserver
) -> None:
    names = [await platform.assign("print(1)") for _ in range(3)]
    answers = await forkserver.ask(*map(platform.ticket, names))

    assert len({answer["pid"] for answer in answers}) == 3
    for name in names:
        await platform.recorder.told[name].until(lambda told: told.end)


async def test_it_has_one_thread_before_and_after_a_fork(
    platform: Platform, forkserver: Forkserver
) -> None:
    before = psutil.Process(forkserver.process.pid).num_threads()
    name = await platform.assign("print(1)")
    await forkserver.ask(platform.ticket(name))
    await platform.recorder.told[name].until(lambda told: told.end)

    assert (before, psutil.Process(forkserver.process.pid).num_threads()) == (1, 1)


async def test_asked_again_it_names_the_runner_that_is_there(
    platform: Platform, forkserver: Forkserver
) -> None:
    name = await platform.assign(SLEEP)
    first, again = await forkserver.ask(*[platform.ticket(name)] * 2)
    (listed,) = await forkserver.ask({"op": "list"})

    assert first == again
    assert first["started"] == psutil.Process(first["pid"]).create_time()
    assert listed == {"runners": [{"session": name, "attempt": 1, **first}]}


async def test_a_runner_hears_that_it_is_to_end_from_its_first_moment_on(
    platform: Platform, forkserver: Forkserver
) -> None:
    for _ in range(20):
        name = await platform.assign(SLEEP)
        (answer,) = await forkserver.ask(platform.ticket(name))
        os.kill(answer["pid"], signal.SIGTERM)

    while (await forkserver.ask({"op": "list"})) != [{"runners": []}]:
        await asyncio.sleep(0.02)


async def test_runners_are_known_by_files_in_their_folders(
    platform: Platform, forkserver: Forkserver
) -> None:
    name = await platform.assign(SLEEP)
    (answer,) = await forkserver.ask(platform.ticket(name))
    await platform.recorder.told[name].until(lambda told: told.output())
    work = platform.work(name)
    user = json.loads((work / "user.pid").read_text())

    assert json.loads((work / "runner.pid").read_text()) == answer
    assert psutil.Process(user["pid"]).ppid() == answer["pid"]
    assert os.getpgid(user["pid"]) == user["pid"]


@pytest.mark.parametrize(
    "request_line", [b"{", b"[]", b'{"session": "a/b/1"}', b'{"op": "dance"}', b"\xff"]
)
async def test_what_it_does_not_understand_is_answered_with_an_error(
    forkserver: Forkserver, request_line: bytes
) -> None:
    answer, listed = await forkserver.ask(request_line, {"op": "list"})

    assert list(answer) == ["error"]
    assert listed == {"runners": []}


@pytest.mark.parametrize(
    "changed", [{"session": "../../etc"}, {"attempt": 0}, {"work": "relative"}, {"env": []}]
)
async def test_a_bad_ticket_starts_nothing(
    platform: Platform, forkserver: Forkserver, changed: dict[str, object]
) -> None:
    name = await platform.assign("print(1)")
    (answer,) = await forkserver.ask({**platform.ticket(name), **changed})

    assert list(answer) == ["error"]


async def test_what_a_crashed_runner_leaves_behind_is_killed(
    platform: Platform, forkserver: Forkserver
) -> None:
    name = await platform.assign(
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print(child.pid, flush=True)\ntime.sleep(600)"
    )
    (runner,) = await forkserver.ask(platform.ticket(name))
    told = platform.recorder.told[name]
    await told.until(lambda told: told.output().endswith(b"\n"))
    user = json.loads((platform.work(name) / "user.pid").read_text())["pid"]
    pids = [runner["pid"], user, int(told.output())]
    os.kill(runner["pid"], signal.SIGKILL)
    await until(lambda: not any(map(psutil.pid_exists, pids)))

    assert await forkserver.ask({"op": "list"}) == [{"runners": []}]


async def test_told_to_end_it_waits_for_its_runners(
    platform: Platform, forkserver: Forkserver
) -> None:
    name = await platform.assign(SLEEP)
    (runner,) = await forkserver.ask(platform.ticket(name))
    await platform.recorder.told[name].until(lambda told: told.output())
    forkserver.process.terminate()

    assert await forkserver.process.wait() == 0
    assert not psutil.pid_exists(runner["pid"])
    assert platform.recorder.told[name].outcome.message
    assert not forkserver.path.exists()


async def test_a_second_forkserver_leaves_the_first_alone(
    platform: Platform, forkserver: Forkserver
) -> None:
    second = await launch(forkserver.path)

    assert await second.wait() == 0
    assert await forkserver.ask({"op": "list"}) == [{"runners": []}]
    assert platform.home.exists()


async def test_a_socket_that_nobody_serves_is_taken_over(platform: Platform) -> None:
    path = platform.home / "run" / "forkserver.sock"
    first = await launch(path)
    await until_served(path)
    first.kill()
    await first.wait()
    second = await launch(path)
    await until_served(path)
    answer = await Forkserver(path, second).ask({"op": "list"})
    second.terminate()

    assert answer == [{"runners": []}]
    assert await second.wait() == 0
