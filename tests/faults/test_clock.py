"""The clock of a service jumps while it serves; what follows from it stays right."""

import json
from signal import SIGUSR1, SIGUSR2

from tests.faults.troubles import movable
from tests.platform.platforms import eventually, platform


def test_no_session_is_paid_for_a_clock_that_was_set_back() -> None:
    with platform() as here, movable(here, "session") as sessions:
        sessions.send_signal(SIGUSR1)  # ahead
        started = here.run("-g", "1").begun()
        sessions.send_signal(SIGUSR2)  # and, before its end, ten minutes back
        started.finish()
        history = json.loads(here.nsml("history", started.name, "--json").stdout)
        ended = history[-1]["sequence"]
        charges = eventually(started.charges)
        audit = here.nsml("admin", "credit", "audit")

        assert history[-1]["event"] == "Completed"
        assert history[-1]["time"] < history[0]["time"]  # the clock did jump
        assert sum(charge["amount_gpu_ms"] for charge in charges) >= 0
        assert audit.returncode == 0, audit.stdout
        # Its entries keep their order, and an earlier time shows no later event.
        said = here.nsml("show", started.name, "--at", str(ended), "--json", check=False)
        assert said.returncode == 0, said.stderr + str(history)
        shown = json.loads(said.stdout)
        assert shown["status"] == "Exited"


def test_tokens_and_the_queue_outlive_a_clock_that_jumps() -> None:
    with platform() as here, movable(here, "identity") as people, movable(here, "scheduler"):
        people.send_signal(SIGUSR2)  # the tokens that it issues now are of the past
        first = here.run("-g", "2").begun()
        waiting = here.run("-g", "2")
        people.send_signal(SIGUSR1)  # and the next ones of the future
        first.finish()
        waiting.begun().finish()

        assert (first.status, waiting.status) == ("Exited", "Exited")
        first.assert_complete()
        waiting.assert_complete()
