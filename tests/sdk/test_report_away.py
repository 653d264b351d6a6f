"""report() while the runner hangs or is gone: training neither waits nor fails."""

from tests.sdk.conftest import Runner, Script


def test_a_runner_that_hangs_is_not_waited_for(session: Script, runner: Runner) -> None:
    runner.hang()

    ended = session.run("""
        import nsml
        for step in range(200_000):
            nsml.report(step=step, loss=0)
    """)

    assert ended.returncode == 0
    assert ended.stderr.count("\n") == 1
    assert "nsml: the platform did not take all reports in time" in ended.stderr


def test_the_newest_points_and_summaries_survive(session: Script, runner: Runner) -> None:
    runner.hang()
    process = session.start("""
        import nsml
        nsml.report(summary=True, step=0, accuracy=0.1)
        nsml.report(summary=True, step=1, accuracy=0.2, best=1)
        for step in range(2, 200_002):
            nsml.report(step=step, loss=0)
        print("reported", flush=True)
        input()
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "reported\n"
    runner.go_on()

    _, err = process.communicate("\n")
    points = runner.points()
    newest = [point["step"] for point in points][-50_000:]
    assert newest == list(range(150_002, 200_002))
    summaries = [point["values"] for point in points if point["summary"]]
    assert summaries[-1] == {"accuracy": 0.2, "best": 1}
    assert f"({200_002 - len(points)} until now)" in err


def test_a_runner_that_was_killed_does_not_end_training(session: Script, runner: Runner) -> None:
    process = session.start("""
        import nsml
        nsml.report(step=0, loss=0)
        input()
        for step in range(60_000):
            nsml.report(step=step, loss=0)
        print("trained")
    """)
    while not runner.record():
        assert process.poll() is None
    runner.kill()

    out, err = process.communicate("\n")
    assert (process.returncode, out) == (0, "trained\n")
    assert err.count("\n") == 1
