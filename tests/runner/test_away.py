"""While the platform is away training goes on, and all that it says arrives later, once."""

import asyncio
from collections.abc import Iterator

import pytest

from nsml_core.errors import Error, Exhausted
from nsml_protos import session_pb2
from nsml_runner import attempts
from tests.runner.conftest import Platform, until
from tests.runner.recorder import Told

COUNT = """
import pathlib
for number in range(200_000):
    print(number)
    if number == 1000:
        while not pathlib.Path("go").exists(): pass
pathlib.Path("../done").touch()
"""
COUNTED = b"".join(b"%d\n" % number for number in range(200_000))


async def finish(platform: Platform, told: Told) -> None:
    assert await platform.runners[told.assignment.session.name].ended() == 0


async def test_output_is_complete_after_the_service_was_away(platform: Platform) -> None:
    name = await platform.assign(COUNT)
    told = await platform.start(name)
    await told.until(lambda told: b"1000\n" in told.output())
    await platform.shut("session")
    (platform.work(name) / "code" / "go").touch()
    await until((platform.work(name) / "done").exists)
    await platform.open("session")
    await finish(platform, told)

    assert told.output() == COUNTED
    assert told.outcome.exit_code == 0


async def test_what_was_not_acknowledged_is_sent_again_and_counts_once(
    platform: Platform,
) -> None:
    platform.recorder.acknowledges = False
    name = await platform.assign(COUNT)
    told = await platform.start(name)
    await told.until(lambda told: b"1000\n" in told.output())
    await platform.shut("session")
    platform.recorder.acknowledges = True
    (platform.work(name) / "code" / "go").touch()
    await platform.open("session")
    await finish(platform, told)

    assert told.output() == COUNTED
    numbers = [frame.number for frame in told.frames]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_runner_waits_for_a_service_that_is_not_there_yet(platform: Platform) -> None:
    name = await platform.assign("print('hello')")
    await platform.shut("session")
    told = await platform.start(name)
    await asyncio.sleep(1)
    await platform.open("session")
    await finish(platform, told)

    assert told.output() == b"hello\n"


async def test_code_is_waited_for_when_the_store_is_away(platform: Platform) -> None:
    name = await platform.assign("print('hello')")
    await platform.shut("dataset")
    told = await platform.start(name)
    await asyncio.sleep(1)
    await platform.open("dataset")
    await finish(platform, told)

    assert told.output() == b"hello\n"


async def test_who_waits_for_long_is_told_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Exhausted("The disk is full.")
    answers: Iterator[int | Error] = iter([full, 1, full, 2])
    told: list[Error] = []

    async def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Error):
            raise answer
        return answer

    assert await attempts.patiently(ask, waits=told.append) == 1
    assert told == []
    monkeypatch.setattr(attempts, "LONG_SECONDS", 0)
    assert await attempts.patiently(ask, waits=told.append) == 2
    assert told == [full]


async def test_training_goes_on_where_a_checkpoint_may_not_be_kept(platform: Platform) -> None:
    platform.recorder.refuses = "ann may keep 1 GB."

    told = await platform.run(
        "import pathlib, nsml\n"
        "nsml.bind(save=lambda path: pathlib.Path(path, 'w').write_text('weights'))\n"
        "nsml.save('best')\nprint('goes on')"
    )

    assert told.checkpoints == []
    assert b"goes on" in told.output()
    said = told.output(session_pb2.PLATFORM).decode()
    assert "Checkpoint best could not be stored: ann may keep 1 GB." in said
