"""A person reaches into a running session: Python in its process, programs beside it."""

import sys

from tests.journeys.keyboard import Keyboard
from tests.journeys.person import Person

LOOP = """
import time, nsml
lr = 0.1
print("runs")
while lr:
    nsml.report(scope=locals(), loss=lr)
    time.sleep(0.02)
print("ended with", lr)
"""
# One program, not two: a key that comes between two of them meets neither.
STAYS = 'import os, time; print(*os.get_terminal_size(), sep=" by "); time.sleep(600)'


def test_python_and_programs_in_a_running_session(ann: Person) -> None:
    name = ann.starts(LOOP)
    ann.hears(name, "runs")

    assert ann.says("eval", name, "print('here'); lr") == "here\n0.1\n"
    assert ann.says("eval", "--now", name, "import os; os.path.basename(os.getcwd())") == "'code'\n"
    failed = ann.nsml("eval", name, "lr +")  # what is raised later has a traceback, as it should
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.endswith("SyntaxError: invalid syntax\n")
    assert ann.says("eval", name, "lr = 0.5") == ""
    assert ann.says("eval", name, "lr") == "0.5\n"
    said = ann.refused("eval", "--timeout", "0.5", name, "while True: pass", code=124)
    assert "--timeout" in said

    done = ann.nsml("exec", name, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert "no command no-such" in ann.refused("exec", name, "--", "no-such", code=127)
    ann.says("eval", name, "lr = 0")
    ann.wait(name, "Exited")
    assert ann.says("logs", name) == "runs\nended with 0\n"

    told = ann.says("history", name)
    assert "Python was evaluated in it, at once: import os" in told
    assert "entered with sh -c 'echo out; echo err >&2; exit 7'\n" in told
    assert "has ended (Exited)" in ann.refused("eval", name, "lr", code=1)
    assert "has ended (Exited)" in ann.refused("exec", name, "--", "ls", code=1)
    assert "no session" in ann.refused("sh", "None/999", code=3)


def test_a_person_types_python(ann: Person) -> None:
    name = ann.starts(LOOP)
    ann.hears(name, "runs")
    with Keyboard(ann, "terminal", name) as keyboard:
        keyboard.sees(">>> ")
        keyboard.type("lr\n")
        keyboard.sees("0.1")
        keyboard.sees(">>> ")
        keyboard.type("for i in range(2):\n")
        keyboard.sees("... ")
        keyboard.type("  print('number', i)\n\n")
        keyboard.sees("number 0")
        keyboard.sees("number 1")
        keyboard.sees(">>> ")
        for _ in range(20):  # the key follows others so closely that a signal might be missed
            keyboard.type("dropped\x03")
            keyboard.sees(">>> ")
        keyboard.type("while True: pass\n\n")
        keyboard.sees("... ")
        while "while True" not in ann.says("history", name):
            pass  # before that, the key would only drop the line
        keyboard.type("\x03")
        keyboard.sees("Taken back.")
        keyboard.sees(">>> ")
        keyboard.type("print('\\x1b]0;title\\x07')\n")
        keyboard.sees("\n")
        keyboard.sees("\\x1b]0;title\\x07")
        keyboard.sees(">>> ")
        keyboard.type("\x04")
        assert keyboard.ends()[0] == 0
    ann.says("stop", name)


def test_a_person_in_a_shell(ann: Person) -> None:
    name = ann.starts(LOOP)
    ann.hears(name, "runs")
    prompt = f"({name}) code "
    with Keyboard(ann, "sh", name) as keyboard:
        keyboard.sees(prompt)
        keyboard.type(f"{sys.executable} -c '{STAYS}'\r")
        keyboard.sees("100 by 30")
        keyboard.type("\x03")
        keyboard.sees(prompt)
        keyboard.resize(20, 70)
        keyboard.type("stty size; exit 5\r")
        keyboard.sees("20 70")
        assert keyboard.ends() == (5, keyboard.modes)

    with Keyboard(ann, "sh", name) as keyboard:
        keyboard.sees(prompt)
        keyboard.process.terminate()
        assert keyboard.ends() == (143, keyboard.modes)
    with Keyboard(ann, "sh", name) as keyboard:
        keyboard.sees(prompt)
        ann.says("stop", name)
        keyboard.sees("The code of the session has ended, and this with it.")
        assert keyboard.ends() == (137, keyboard.modes)
