"""Watching a session: Ctrl-C leaves it alone, and any output arrives as it was written."""

import pytest

from tests.journeys.person import Person, interrupt

WAITS = """
import pathlib, time, os
print("ready", flush=True)
while not pathlib.Path(os.environ["GO"]).exists():
    time.sleep(0.02)
print("went on", flush=True)
"""


@pytest.mark.parametrize("words", [("run", "-g", "0", "-f"), ("run", "-g", "0", "-i")])
def test_ctrl_c_leaves_the_session_alone_and_says_so(ann: Person, words: tuple[str, ...]) -> None:
    go = ann.folder / "go"
    code = ann.write("code", {"main.py": WAITS})
    watching = ann.types(*words, "--env", f"GO={go}", at=code)
    assert watching.stdout
    name = watching.stdout.readline().split()[1]
    assert watching.stdout.readline() == "ready\n"
    done = interrupt(watching)

    assert done.returncode == 130
    assert done.stderr == (
        f"\nSession {name} goes on: `nsml logs -f {name}` follows it again, "
        f"`nsml stop {name}` stops it.\n"
    )
    assert ann.says("status", name) == "Running\n"
    go.touch()
    assert ann.says("logs", "-f", name) == "ready\nwent on\n"
    assert ann.says("status", name) == "Exited\n"


def test_a_session_that_waits_says_for_what(ann: Person) -> None:
    code = ann.write("code", {"main.py": "import time; time.sleep(600)"})
    first = ann.says("run", "-g", "2", at=code).split()[1]
    ann.wait(first, "Running")
    watching = ann.types("run", "-g", "1", "-f", at=code)
    assert watching.stdout
    assert watching.stderr
    second = watching.stdout.readline().split()[1]
    assert watching.stderr.readline().startswith("Queued (")
    row = next(row for row in ann.says("ps").splitlines() if row.startswith(second))
    assert "Queued (" in row
    ann.says("stop", second, first)
    _, told = watching.communicate()
    assert watching.returncode == 1
    assert told.endswith(f"Session {second} has ended: Stopped (stopped by ann).\n")


def raw(ann: Person, name: str, *words: str) -> bytes:
    target = ann.folder / f"raw-{name.replace('/', '-')}"
    ann.says("logs", name, "--raw", str(target), *words)
    return target.read_bytes()


def test_a_line_of_ten_megabytes(ann: Person) -> None:
    done = ann.runs("print('x' * 10_000_000); print('after')")
    assert done.returncode == 0
    name = done.stdout.split()[1]
    assert "\nafter\n" in done.stdout
    assert f"… [9934464 bytes more of this line: nsml logs {name} --raw]\n" in done.stdout
    assert ann.says("logs", name) == done.stdout.split("\n", 1)[1]
    assert raw(ann, name) == b"x" * 10_000_000 + b"\nafter\n"


def test_output_that_is_no_text(ann: Person) -> None:
    noise = bytes(range(256)) * 100
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 100); print('\\nafter')"
    name = ann.runs(script).stdout.split()[1]
    shown = ann.says("logs", "--stdout", name).splitlines()
    assert shown == [f"… [25601 bytes of binary output: nsml logs {name} --raw]", "after"]
    assert raw(ann, name) == noise + b"\nafter\n"


BARS = """
import sys
for number in range(101):
    print(f"\\r{number}%", end="", file=sys.stderr)
print(file=sys.stderr)
for number in range(1000):
    print("loss", number)
print("[rank1]: from one", flush=True)
raise SystemExit("it went wrong")
"""


def test_lines_are_chosen(ann: Person) -> None:
    name = ann.runs(BARS).stdout.split()[1]
    assert ann.says("logs", name, "--stderr") == "100%\nit went wrong\n"
    assert ann.says("logs", name, "-n", "1", "--stdout", "--grep", "LOSS", "-i") == "loss 999\n"
    assert ann.says("logs", name, "--rank", "1") == "[rank1]: from one\n"
    assert ann.nsml("logs", name, "--grep", "(").stderr.startswith("Error: '(' is no regular")
    assert raw(ann, name, "--stderr").count(b"\r") == 101
    assert ann.says("why", name).splitlines()[-2:] == ["100%", "it went wrong"]


def test_many_lines_arrive_once_and_in_order(ann: Person) -> None:
    done = ann.runs("for number in range(20_000): print(number)")
    assert done.stdout.splitlines()[1:] == [str(number) for number in range(20_000)]


def test_output_is_seen_while_it_is_made(ann: Person) -> None:
    go = ann.folder / "go"
    name = ann.starts(WAITS, "--env", f"GO={go}")
    watchers = [ann.types("logs", "-f", name) for _ in range(3)]
    for watcher in watchers:
        assert watcher.stdout
        assert watcher.stdout.readline() == "ready\n"
    go.touch()
    for watcher in watchers:
        out, _ = watcher.communicate()
        assert (watcher.returncode, out) == (0, "went on\n")
