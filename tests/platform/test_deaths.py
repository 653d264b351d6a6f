"""Parts of the platform are killed while a session runs, and then parts of the session."""

import psutil
import pytest

from nsml_core.settings import SERVICES
from tests.platform.platforms import Platform, eventually, lives


@pytest.mark.parametrize("part", [*SERVICES, "nats", "postgres"])
def test_a_session_outlives_the_death_of_any_part(here: Platform, part: str) -> None:
    session = here.run("-g", "1").begun()
    code = session.process("user")
    here.kill(part)
    session.finish()

    assert session.show()["outcome"]["exit_code"] == 0
    assert not lives(code)
    session.assert_complete()
    session.assert_charged_once()


def test_a_session_whose_runner_died_is_lost_and_its_gpu_is_the_nexts(here: Platform) -> None:
    lost = here.run("-g", "2").begun()
    waiting = here.run("-g", "2")
    code = lost.process("user")
    lost.process("runner").kill()

    shown = here.until(lost.name, "Lost")
    waiting.begun()

    assert "runner is gone" in shown["reason"]
    assert not lives(code)
    lost.assert_charged_once()
    waiting.finish()
    waiting.assert_complete()


def test_code_that_was_killed_has_failed(here: Platform) -> None:
    session = here.run("-g", "1").begun()
    session.process("user").kill()

    shown = here.until(session.name, "Failed")

    assert (shown["outcome"]["signal"], shown["outcome"]["exit_code"]) == (9, None)
    session.assert_charged_once()


def forkserver(platform: Platform) -> psutil.Process:
    """What runners are forked from: the one that has no runner's folder as its own."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "nsml_runner.forkserver" in (process.info["cmdline"] or ())
        and str(platform.home) in " ".join(process.info["cmdline"])
    ]
    return min(found, key=lambda process: process.create_time())


def test_what_starts_runners_may_die(here: Platform) -> None:
    before = here.run("-g", "1").begun()
    parent = forkserver(here)
    parent.kill()
    eventually(lambda: not lives(parent))
    after = here.run("-g", "1").begun()
    for session in (before, after):
        session.finish()

        assert session.status == "Exited"
        session.assert_complete()
        session.assert_charged_once()


def test_what_was_queued_is_placed_after_the_scheduler_died(here: Platform) -> None:
    first = here.run("-g", "2").begun()
    queued = [here.run("-g", "1") for _ in range(2)]
    here.kill("scheduler")
    assert [session.status for session in queued] == ["Queued", "Queued"]
    first.finish()
    for session in queued:
        session.begun().finish()

        assert session.status == "Exited"
        session.assert_charged_once()


def test_what_was_placed_when_the_scheduler_died_is_started(here: Platform) -> None:
    identity = psutil.Process(here.pid("identity"))
    identity.suspend()  # a session is placed, and its runner's token never comes
    session = here.run("-g", "1")
    eventually(lambda: session.status == "Allocated")
    here.kill("scheduler", meanwhile=identity.resume)
    session.begun().finish()

    assert session.status == "Exited"
    session.assert_complete()
    session.assert_charged_once()
