"""The user's code of every session of the workload, and how what it noted is read again."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.faults.history import Code

SCRIPT = """
import json, os, signal, sys, time
import nsml

folder, steps, pause, code = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
attempt = os.environ["NSML_ATTEMPT"]
name = os.environ["NSML_SESSION"].replace("/", "+") + "#" + attempt
notes = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
state = {"step": 0}

def note(*what):
    os.write(notes, json.dumps(what).encode() + b"\\n")

def save(path):
    state["path"] = path
    with open(os.path.join(path, "state.json"), "w") as file:
        json.dump({"step": state["step"]}, file)

def load(path):
    with open(os.path.join(path, "state.json")) as file:
        state.update(json.load(file))

# The interpreter comes to its end, and with it what was reported.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
nsml.bind(save=save, load=load)
nsml.paused()
for step in range(state["step"] + 1, steps + 1):
    state["step"] = step
    line = f"line {attempt}.{step}"
    data = line.encode() + b"\\n"
    while data:
        data = data[os.write(1, data):]
    note("line", line)
    nsml.report(step=step, value=step * 2 + 0.5)
    note("point", step, step * 2 + 0.5)
    if step % 10 == 0:
        nsml.save(step)
        if not os.path.exists(state["path"]):  # the runner has it now
            note("saved", str(step))
    time.sleep(pause)
sys.exit(code)
"""
"""Notes what it did in a file outside the platform, each time after the call has returned."""


def noted(folder: Path) -> Iterator[Code]:
    """Yield what the code of each attempt noted."""
    for file in sorted(folder.iterdir()):
        session, _, attempt = file.name.replace("+", "/").rpartition("#")
        notes: defaultdict[str, list[list[object]]] = defaultdict(list)
        for line in file.read_text().split("\n")[:-1]:  # the last may have been cut short
            word, *what = json.loads(line)
            notes[word].append(what)
        yield Code(
            session,
            int(attempt),
            [str(line) for (line,) in notes["line"]],
            [(float(str(step)), float(str(value))) for step, value in notes["point"]],
            [str(name) for (name,) in notes["saved"]],
        )
