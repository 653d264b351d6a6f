"""report(): numbers reach the platform, and training never waits for it."""

import math

import pytest

from tests.sdk.conftest import Runner, Script


def test_a_report_is_one_message(session: Script, runner: Runner) -> None:
    session.run("""
        import nsml
        nsml.report(summary=True, scope=locals(), step=3, train__loss=0.5, epoch=1)
    """)

    [point] = runner.points()
    assert point.pop("time") > 1_600_000_000
    assert point == {
        "step": 3,
        "values": {"train/loss": 0.5, "epoch": 1.0},
        "summary": True,
    }


def test_old_scripts_pass_the_summary_by_position_and_odd_names_in_a_dict(
    session: Script, runner: Runner
) -> None:
    session.run("""
        import nsml
        nsml.report(False, **{"loss|stack": 1, "lr": 0.1})
        nsml.report(summary=True, step=1)  # nothing to report
    """)

    [point] = runner.points()
    assert (point["step"], point["summary"]) == (None, False)
    assert point["values"] == {"loss|stack": 1.0, "lr": 0.1}


def test_a_thousand_values_and_one_all_arrive(session: Script, runner: Runner) -> None:
    session.run("""
        import nsml
        nsml.report(step=3, summary=True, **{f"s{number}": number for number in range(1001)})
    """)

    told = runner.points()
    assert [(point["step"], point["summary"]) for point in told] == [(3, True), (3, True)]
    assert {**told[0]["values"], **told[1]["values"]} == {f"s{n}": n for n in range(1001)}


def test_nan_and_infinities_arrive(session: Script, runner: Runner) -> None:
    session.run("""
        import nsml
        nsml.report(a=float("nan"), b=float("inf"), c=float("-inf"))
    """)

    [point] = runner.points()
    assert math.isnan(point["values"].pop("a"))
    assert point["values"] == {"b": math.inf, "c": -math.inf}


def test_numpy_scalars_are_numbers(session: Script, runner: Runner) -> None:
    pytest.importorskip("numpy")
    ended = session.run("""
        import nsml, numpy
        nsml.report(
            step=numpy.int64(7), a=numpy.float32(0.5), b=numpy.float64(0.25), c=numpy.bool_(True),
            d=numpy.array(2), e=numpy.uint8(255), f=numpy.float16(1.5),
        )
    """)

    assert ended.stderr == ""
    [point] = runner.points()
    assert point["step"] == 7
    assert point["values"] == {"a": 0.5, "b": 0.25, "c": 1, "d": 2, "e": 255, "f": 1.5}


def test_a_tensor_is_a_type_error_that_says_what_to_do(laptop: Script) -> None:
    ended = laptop.run("""
        import nsml

        class Tensor:
            def item(self): return 1.0
            def __float__(self): return 1.0

        nsml.report(step=1, loss=Tensor())
    """)

    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "TypeError: report() takes plain numbers, but loss is a __main__.Tensor: pass loss.item()\n"
    )


def test_a_tensor_of_one_number_is_converted_with_one_warning(
    session: Script, runner: Runner
) -> None:
    ended = session.run("""
        import nsml, numpy

        class Tensor:
            def __init__(self, value): self.value = value
            def numel(self): return 1
            def item(self): return self.value

        nsml.report(step=Tensor(1), loss=Tensor(0.5))
        nsml.report(step=2, loss=Tensor(0.25), other=numpy.array([7]))
    """)

    assert ended.returncode == 0
    assert ended.stderr.count("nsml: ") == 1
    assert "loss is a tensor: reading its number may wait" in ended.stderr
    assert [(each["step"], each["values"]) for each in runner.points()] == [
        (1, {"loss": 0.5}),
        (2, {"loss": 0.25, "other": 7}),
    ]


def test_a_tensor_of_two_numbers_is_a_type_error(laptop: Script) -> None:
    ended = laptop.run("import nsml, numpy; nsml.report(loss=numpy.array([1, 2]))")

    assert "TypeError: report() takes plain numbers, but loss is a numpy.ndarray" in ended.stderr


def test_strange_names_and_steps_are_said_once_each_and_kept(
    session: Script, runner: Runner
) -> None:
    ended = session.run("""
        import nsml
        for _ in range(2):
            nsml.report(step=1, **{"a\\x1b[2Jb": 1, "x" * 300: 2, "": 3, "ok é": 4, "\\ud800": 5})
        nsml.report(step=float("nan"), a=1)
        nsml.report(step=10**400, a=1)
        nsml.report(step=5, b=1)
        nsml.report(step=3, b=1)
        nsml.report(step=2, b=1)
    """)

    said = [line.split(":")[1].split()[0] for line in ended.stderr.splitlines()]
    points = runner.points()
    assert sorted(said) == ["'a\\x1b[2Jb'", "a", "a", "a", "the"]
    assert list(points[0]["values"]) == ["a_[2Jb", "x" * 200, "_", "ok é"]
    assert points[0]["values"]["_"] == 5
    assert [each["step"] for each in points] == [1, 1, None, None, 5, 3, 2]


@pytest.mark.parametrize("value", ["'0.5'", "None", "[1]", "1j"])
def test_what_is_no_number_is_a_type_error(laptop: Script, value: str) -> None:
    ended = laptop.run(f"import nsml; nsml.report(loss={value})")

    assert "TypeError: report() takes plain numbers, but loss is a builtins." in ended.stderr


def test_points_arrive_in_order_and_once(session: Script, runner: Runner) -> None:
    session.run("""
        import nsml
        for step in range(5_000):
            nsml.report(step=step, loss=step)
    """)

    assert [point["step"] for point in runner.points()] == list(range(5_000))


def test_threads_may_report(session: Script, runner: Runner) -> None:
    session.run("""
        import threading, nsml

        def work(first):
            for step in range(first, first + 500):
                nsml.report(step=step, loss=0)

        threads = [threading.Thread(target=work, args=(each * 500,)) for each in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
    """)

    assert sorted(point["step"] for point in runner.points()) == list(range(4_000))


def test_points_are_sent_while_training_goes_on(session: Script, runner: Runner) -> None:
    process = session.start("""
        import nsml
        nsml.report(step=1, loss=1)
        input()
    """)
    while not runner.record():
        assert process.poll() is None

    process.communicate("\n")
    assert len(runner.points()) == 1


def test_a_script_that_fails_still_delivers(session: Script, runner: Runner) -> None:
    ended = session.run("""
        import nsml
        nsml.report(step=1, loss=1)
        raise SystemExit(3)
    """)

    assert (ended.returncode, ended.stderr) == (3, "")
    assert len(runner.points()) == 1


def test_a_signal_handler_may_report_whatever_it_interrupts(
    session: Script, runner: Runner
) -> None:
    session.run("""
        import collections, signal, nsml
        from nsml.outbox import OUTBOX

        class Interrupted(collections.deque):
            def append(self, point):
                if point[0] == 1:
                    signal.raise_signal(signal.SIGUSR1)
                super().append(point)

        OUTBOX._reports = Interrupted()
        signal.signal(signal.SIGUSR1, lambda *_: nsml.report(step=2, loss=0))
        nsml.report(step=1, loss=0)
    """)

    assert [point["step"] for point in runner.points()] == [2, 1]


def test_a_forked_worker_sends_its_own_points_only(session: Script, runner: Runner) -> None:
    ended = session.run("""
        import os, sys, warnings, nsml
        warnings.simplefilter("error", ResourceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, from 3.12 on
        nsml.bind(save=lambda path: open(path + "/model", "w").close())
        nsml.report(step=0, parent=0)
        nsml.save("connected")
        for step in range(1, 200):
            nsml.report(step=step, parent=step)
        if os.fork() == 0:
            nsml.report(step=0, child=0)
            nsml.save("child")
            sys.exit(0)
        assert os.wait()[1] == 0
        nsml.report(step=200, parent=200)
        nsml.save("parent")
    """)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(each.name for each in runner.checkpoints.iterdir()) == [
        "child",
        "connected",
        "parent",
    ]
    points = runner.points()
    assert [p["step"] for p in points if "parent" in p["values"]] == list(range(201))
    assert [p["step"] for p in points if "child" in p["values"]] == [0]


def test_workers_of_multiprocessing_deliver_before_they_end(
    session: Script, runner: Runner
) -> None:
    session.run("""
        import multiprocessing, nsml

        def work(step):
            nsml.report(step=step, worker=1)

        if __name__ == "__main__":
            nsml.report(step=0, parent=1)
            for method in ("fork", "spawn"):
                context = multiprocessing.get_context(method)
                workers = [context.Process(target=work, args=(each,)) for each in range(3)]
                for each in workers: each.start()
                for each in workers: each.join()
    """)

    points = runner.points()
    assert sorted(p["step"] for p in points if "worker" in p["values"]) == [0, 0, 1, 1, 2, 2]
    assert len(points) == 7


def test_off_the_platform_report_is_silent(laptop: Script) -> None:
    ended = laptop.run("""
        import nsml
        nsml.report(summary=True, step=1, loss=0.5)
        nsml.paused(scope=locals())
    """)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [each.name for each in laptop.folder.iterdir()] == ["main.py"]


def test_a_report_before_anything_is_bound_is_a_report(session: Script, runner: Runner) -> None:
    ended = session.run("import nsml; nsml.report(step=1, loss=2)")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [point["values"] for point in runner.points()] == [{"loss": 2}]
