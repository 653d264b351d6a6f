"""A training script that can be broken anywhere, and what it takes to break it and to look."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from nsml_client.client import Client
from nsml_core import settings
from nsml_protos import session_pb2
from tests.journeys.person import Person

SCRIPT = """
import argparse, json, sys, time
from pathlib import Path
import nsml

parser = argparse.ArgumentParser()
parser.add_argument("--until", type=int, default=6)
parser.add_argument("--hang-at", type=int, default=0)
parser.add_argument("--fail-at", type=int, default=0)
parser.add_argument("--mode")
parser.add_argument("--pause", type=int, default=0)
parser.add_argument("--iteration")
config = parser.parse_args()
state = {"step": 0}
nsml.bind(
    save=lambda folder: (Path(folder) / "state.json").write_text(json.dumps(state)),
    load=lambda folder: state.update(json.loads((Path(folder) / "state.json").read_text())),
)
nsml.paused()
print("begins at", state["step"], flush=True)
while state["step"] < config.until:
    state["step"] += 1
    step = state["step"]
    nsml.report(summary=True, step=step, loss=1 / step)
    nsml.report(counted=step)
    if step % 2 == 0:
        nsml.save(step)
    if not config.pause and step == config.fail_at:
        sys.exit("there is not enough data")
    if not config.pause and step == config.hang_at:
        print("hangs at", step, flush=True)
        time.sleep(1000)
print("ends at", state["step"])
"""


def until(condition: Callable[[], object]) -> None:
    """Wait for other processes."""
    while not condition():
        time.sleep(0.05)


def hang(ann: Person, step: int = 5) -> str:
    """Start a session that hangs at a step, and return its name once it does."""
    name = ann.starts(SCRIPT, "-a", f"--hang-at {step}")
    ann.hears(name, f"hangs at {step}")
    until(lambda: len(points(ann, name)[0]) == step)
    until(lambda: saved(ann, name) == [str(at) for at in range(2, step + 1, 2)])
    return name


def saved(ann: Person, name: str) -> list[str]:
    """Return the names of a session's checkpoints."""
    return [point["name"] for point in ann.json("model", "ls", name)]


def points(ann: Person, name: str, series: str = "loss") -> tuple[list[float], list[float]]:
    """Return steps and values of a series, as the platform tells them."""
    client = Client(settings.read({**ann.environ}))
    request = session_pb2.MetricsRequest(name=name)
    reply = client.call("Sessions/Metrics", request, session_pb2.MetricsReply)
    client.close()
    return next(
        ((list(one.steps), list(one.values)) for one in reply.series if one.name == series),
        ([], []),
    )


def user_code(ann: Person, name: str) -> list[psutil.Process]:
    """Return the processes of a session's code; a session of other homes may have its name."""
    home = f"{ann.environ['NSML_HOME']}/"
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (environ := process.info["environ"] or {}).get("NSML_SESSION") == name
        and environ.get("NSML_OUTPUT", "").startswith(home)
    ]


def kill_runner(ann: Person, name: str) -> None:
    """Kill the process that looks after a session, so that it cannot say a last word."""
    runner = user_code(ann, name)[0].parent()
    assert runner
    assert "nsml" in " ".join(runner.cmdline())
    runner.kill()


def event(ann: Person, name: str, kind: str, text: str = "") -> int:
    """Return the number of a session's first event of this kind and with these words."""
    return int(
        next(
            line["sequence"]
            for line in ann.json("history", name)
            if line["event"] == kind and text in line["meaning"]
        )
    )


def write_code(ann: Person, **files: str) -> Path:
    """Make the folder of code, with more in it."""
    return ann.write("code", {"main.py": SCRIPT, **files})
