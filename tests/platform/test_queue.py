"""Sessions wait for room and say why, and end when they are told to, whatever they are doing."""

from tests.platform.platforms import Platform, eventually


def reason(platform: Platform, name: str) -> str:
    (row,) = [row for row in platform.json("ps") if row["name"] == name]
    return str(row["reason"])


def test_who_finds_no_room_waits_and_says_why(here: Platform) -> None:
    first, second = here.run("-g", "1").begun(), here.run("-g", "1").begun()
    third = here.run("-g", "1")

    assert eventually(lambda: reason(here, third.name)) == "needs 1 GPU, 0 free"
    assert third.status == "Queued"
    assert {*first.show()["devices"], *second.show()["devices"]} == {"0", "1"}

    first.finish()
    third.begun()
    assert third.show()["reason"] == ""
    for session in (second, third):
        session.finish()


def test_who_needs_no_gpu_passes(here: Platform) -> None:
    first, head = here.run("-g", "2").begun(), here.run("-g", "2")
    here.run("-g", "0", "-c", "1").begun().finish()

    assert (first.status, head.status) == ("Running", "Queued")


def test_more_than_there_is_is_refused(here: Platform) -> None:
    code = here.code("print(1)")
    for words in (("-g", "3"), ("-c", "9"), ("-g", "1", "--memory", "900T")):
        refused = here.nsml("run", *words, code=code, check=False)
        assert refused.returncode != 0
        assert "No node has" in refused.stderr
    assert here.live() == []


def test_a_session_in_the_queue_is_stopped_at_once(here: Platform) -> None:
    here.run("-g", "2").begun()
    queued = here.run("-g", "1")
    here.nsml("stop", queued.name)

    shown = queued.show()
    assert (shown["status"], shown["attempts"]) == ("Stopped", [])
    assert queued.charges() == []


def test_a_session_that_is_being_prepared_is_stopped(here: Platform) -> None:
    endless = "import time\nprint('preparing', flush=True)\ntime.sleep(3600)\n"
    code = here.code("print('never')", **{"setup.py": endless})
    session = here.run("-g", "1", code=code)
    eventually(lambda: session.status == "Allocated")
    here.nsml("stop", session.name)

    shown = here.until(session.name, "Stopped")
    assert "never" not in session.logs()
    assert shown["attempts"][0]["started"] is None
    eventually(lambda: not here.json("credit")["held_gpu_ms"])
    assert session.charges() == []


def test_a_running_session_is_stopped_politely(here: Platform) -> None:
    code = here.code(
        "import signal, sys, time\n"
        "def bye(*_): print('bye', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "print('1', flush=True)\n"
        "time.sleep(3600)\n"
    )
    session = here.run("-g", "1", code=code).begun()
    here.nsml("stop", session.name)

    here.until(session.name, "Stopped")
    assert session.logs()[:2] == ["1", "bye"]
    session.assert_charged_once()


def test_wildcards_remove_what_they_match_and_nothing_else(here: Platform) -> None:
    code = here.code("print(1)")
    ended = [here.run("-g", "0", code=code).name for _ in range(3)]
    for name in ended:
        here.until(name, "Exited")
    live = here.run("-g", "0").begun()
    user = live.name.partition("/")[0]

    assert here.nsml("rm", f"{user}/nothing/*", check=False).returncode != 0
    here.nsml("rm", *ended[:1])
    here.nsml("rm", f"{user}/None/*", check=False)

    assert live.status == "Running"
    assert here.live() == [live.name]
    left = {row["name"] for row in here.json("ps", "-a")}
    assert left.isdisjoint(ended[:1])
    here.nsml("rm", "-f", f"{user}/*")
    assert here.json("ps", "-a") == []
