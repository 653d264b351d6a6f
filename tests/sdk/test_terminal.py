"""Python that is typed from outside is evaluated in the training's scope, and does it no harm."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.asker import Answer, Asker
from tests.sdk.conftest import Script


@pytest.fixture
def asker(folder: Path) -> Iterator[Asker]:
    """Whoever asks, on a socket of this test's."""
    asker = Asker(folder / "socket")
    yield asker
    asker.close()


@pytest.fixture
def script(folder: Path, asker: Asker) -> Script:  # noqa: ARG001 - it must be there first
    """A script whose runner is the asker."""
    return Script(folder, {"NSML_SOCKET": str(folder / "socket"), "NSML_SESSION": "ann/mnist/3"})


def returned(value: str = "", output: str = "") -> Answer:
    return {"state": "returned", "value": value, "output": output, "cut": False}


class Training:
    """A script in the middle of its work, which ends in good order when told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def end(self) -> str:
        """End it; return what it printed."""
        out, err = self.process.communicate("end\n")
        assert (self.process.returncode, err) == (0, "")
        return out


LOOP = """
import select, sys, time, nsml

counter = 0
lr = 0.1
state = {"epoch": 7}

while not select.select([sys.stdin], [], [], 0)[0]:
    counter += 1
    nsml.report(scope=locals(), step=counter, loss=1 / counter)
    time.sleep(0.002)
print("ended with", lr, state)
"""


@pytest.fixture
def training(script: Script) -> Iterator[Training]:
    """The loop above."""
    process = script.start(LOOP)
    yield Training(process)
    process.kill()
    process.communicate()


def test_expressions_and_statements_are_evaluated_in_the_scope(
    training: Training, asker: Asker
) -> None:
    assert asker.ask("state['epoch'] + 1") == returned("8")
    assert asker.ask("counter > 0") == returned("True")
    assert asker.ask("None") == returned()
    assert asker.ask("print('hello'); state") == returned("{'epoch': 7}", "hello\n")
    assert asker.ask("import sys\nsys.stderr.write('to stderr\\n')\n") == returned(
        "10", "to stderr\n"
    )
    assert asker.ask("x = 3\nfor i in range(2):\n    print(i * x)") == returned("", "0\n3\n")
    assert asker.ask("") == returned()

    assert training.end() == "ended with 0.1 {'epoch': 7}\n"


def test_assignments_change_the_training(training: Training, asker: Asker) -> None:
    assert asker.ask("lr = 0.01; state['epoch'] = 8; del counter; counter = 5") == returned()
    assert asker.ask("lr", now=True) == returned("0.01")

    assert training.end() == "ended with 0.01 {'epoch': 8}\n"


def test_functions_and_comprehensions_see_the_scope_as_it_is_now(
    training: Training, asker: Asker
) -> None:
    assert asker.ask("[lr * i for i in range(2)]") == returned("[0.0, 0.1]")
    assert asker.ask("def rate():\n    return lr, __name__") == returned()
    asker.ask("lr = 0.5")
    assert asker.ask("rate()") == returned("(0.5, '__main__')")
    assert asker.ask("{'lr', 'rate', 'state'} <= set(dir())") == returned("True")
    assert asker.ask("class Mine: pass\nMine.__module__") == returned("'__main__'")
    training.end()


def test_what_is_raised_comes_back_without_what_is_around_it(
    training: Training, asker: Asker
) -> None:
    answer = asker.ask("def f():\n    return missing\nprint('before')\nf()")

    assert (answer["state"], answer["output"]) == ("raised", "before\n")
    lines = answer["error"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "NameError: name 'missing' is not defined"
    assert "    return missing" in lines
    assert "nsml/" not in answer["error"]
    assert asker.ask("1 +")["error"].endswith("SyntaxError: invalid syntax")
    training.end()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(1)", "SystemExit: os._exit() would end the training"),
        ("import os; os.abort()", "SystemExit: os.abort() would end the training"),
        (
            "import os; os.execvp('true', ['true'])",
            "SystemExit: os.execv() would end the training",
        ),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        (
            "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
            "E: <exception str() failed>",
        ),
        ("class V:\n    def __repr__(self): raise GeneratorExit\nV()", "GeneratorExit"),
    ],
)
def test_nothing_that_is_raised_ends_the_training(
    training: Training, asker: Asker, code: str, said: str
) -> None:
    for now in (False, True):
        answer = asker.ask(code, now=now)
        assert answer["state"] == "raised"
        assert said in answer["error"].splitlines()[-1]
    assert training.end().startswith("ended with")


def test_children_of_the_code_end_as_they_like(training: Training, asker: Asker) -> None:
    forked = "import os\nif not (pid := os.fork()): os._exit(7)\n"
    assert asker.ask(forked + "os.waitpid(pid, 0)[1] >> 8") == returned("7")
    lost = "import os\npid = os.fork()\n"
    assert asker.ask(lost + "os.waitpid(pid, 0)[1] if pid else 'a second training'") == returned(
        "0"
    )
    assert training.end().count("ended with") == 1


def test_what_is_too_long_is_cut(training: Training, asker: Asker) -> None:
    answer = asker.ask("print('x' * 10 ** 6)\n'y' * 10 ** 6")

    assert answer["cut"]
    assert answer["output"] == "x" * (1 << 16)
    assert len(answer["value"]) == 1 << 14
    worst = asker.ask("print('\\U0001f600' * 10 ** 6)\n'\\U0001f600' * 10 ** 6")
    assert len(json.dumps(worst)) < 1 << 20
    assert asker.ask("raise ValueError('z' * 10 ** 6)")["cut"]
    training.end()


def test_what_others_print_meanwhile_stays_where_it_was(script: Script, asker: Asker) -> None:
    process = script.start("""
        import nsml
        nsml.bind()
        input()
        print("training")
        input()
    """)
    asker.put(
        "import time, __main__\nprint('asked')\n"
        "while not hasattr(__main__, 'seen'): time.sleep(0.01)",
        now=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert asker.ask("import sys; sys.stdout.isatty()", now=True) == returned("False")
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "training\n"
    asker.put("import __main__; __main__.seen = True", now=True)
    assert sorted([asker.answer()["output"], asker.answer()["output"]]) == ["", "asked\n"]
    process.communicate("\n")
    assert process.returncode == 0


ENDLESS = "while True: pass"


@pytest.mark.parametrize("now", [False, True])
def test_an_evaluation_without_an_end_is_broken_off(
    training: Training, asker: Asker, now: bool
) -> None:
    name = asker.put("print('begins')\n" + ENDLESS, now=now)
    assert asker.ask("state['epoch']", now=True) == returned("7")  # it has not stopped listening

    answer = asker.take_back(name)
    assert answer["state"] in {"interrupted", "not_reached"}
    assert asker.ask("state['epoch']") == returned("7")
    training.end()


def test_interruptions_never_reach_the_training(training: Training, asker: Asker) -> None:
    for _ in range(300):  # at every moment of an evaluation that takes some
        name = asker.put("for _ in range(2000): pass")
        asker._send({"id": name, "take_back": True})
        assert asker.answer()["state"] in {"interrupted", "not_reached", "returned"}
    assert asker.ask("lr") == returned("0.1")
    assert training.end() == "ended with 0.1 {'epoch': 7}\n"


def test_without_a_scope_main_is_seen(script: Script, asker: Asker) -> None:
    process = script.start("""
        import nsml
        answer = 42

        def main():
            hidden = 43
            nsml.bind()
            input()

        main()
    """)

    assert asker.ask("answer", now=True) == returned("42")
    assert "NameError" in asker.ask("hidden", now=True)["error"]
    asker.put("answer")
    process.communicate("\n")  # it never reports
    assert process.returncode == 0


def test_in_a_function_objects_change_and_names_do_not(script: Script, asker: Asker) -> None:
    process = script.start("""
        import nsml, select, sys, time
        STEP = 0.002

        def train():
            options, lr = {"lr": 0.1}, 0.1
            nsml.paused(scope=locals())
            while not select.select([sys.stdin], [], [], 0)[0]:
                nsml.report(scope=locals(), loss=1)
                time.sleep(STEP)
            print(options["lr"], lr)

        train()
    """)

    assert asker.ask("options['lr'] = STEP; lr = 5; [lr for _ in 'ab']") == returned("[5, 5]")
    assert process.communicate("end\n") == ("0.002 0.1\n", "")


def test_a_forked_child_listens_when_it_reports(script: Script, asker: Asker) -> None:
    process = script.start("""
        import os, nsml
        nsml.bind()
        ours, theirs = os.pipe()
        who, pid = "parent", os.fork()
        if not pid:
            who = "child"
            while who == "child":
                nsml.report(scope=locals(), loss=1)
            os.write(theirs, who.encode())
            os._exit(0)
        print(os.read(ours, 100), os.waitpid(pid, 0)[1])
    """)
    asker.until_reports()

    assert asker.ask("who = who + ' no more'") == returned()
    assert process.communicate() == ("b'child no more' 0\n", "")


def test_switched_off_nothing_listens(script: Script) -> None:
    ended = script.run(
        "import nsml, sys; nsml.report(a=1); print('nsml.listening' in sys.modules)",
        NSML_TERMINAL="off",
    )

    assert ended.stdout == "False\n"
