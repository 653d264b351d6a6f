"""A platform with something of everything on it, and every page that it has: seen and pictured."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.person import Files, Person, session
from tests.journeys.test_competition import EVALUATION

TRAINS = """
import argparse, math, os, random, time
import nsml

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--steps", type=int, default=200)
config, _ = parser.parse_known_args()  # what the platform adds is read by the SDK

nsml.bind(
    save=lambda folder: open(folder + "/model", "w").write("odd"),
    load=lambda folder: print(open(folder + "/model").read()),
    infer=lambda data: [one % 2 for one in data],
)
nsml.paused(scope=locals())
until = os.environ.get("UNTIL")  # a file is there
dice = random.Random(config.width)
step = 0
while step < config.steps or until and not os.path.exists(until):
    at = min(step / 200, 1)
    loss = 2.3 * math.exp(-3 * config.lr ** 0.3 * at) + 0.08 * dice.random()
    nsml.report(
        summary=True, scope=locals(), step=step, train__loss=loss,
        test__loss=loss + 0.2 * at + 0.05 * dice.random(), test__accuracy=1 - 0.4 * loss,
        lr=config.lr * (1 - at),
    )
    if step % 20 == 0:
        print(f"epoch {step // 20:2}  loss {loss:.4f}", flush=True)
    step += 1
    if step % 100 == 0:
        nsml.save(step)
    time.sleep(0.05 if until else 0)
nsml.save(step)
if "NSML_OUTPUT" in os.environ:
    open(os.path.join(os.environ["NSML_OUTPUT"], "confusion.csv"), "w").write("said,was\\n3,5\\n")
print("done after", step, "steps")
"""
BOARD = "metric: accuracy\nrate: 9/1h\npublic_share: 0.5\ndescription: Odd, or even?\n"


_PAGES = {
    "sessions": "/sessions",
    "sessions found": "/sessions?q=width&status=exited&tag=baseline",
    "no session": "/sessions?q=nothing-like-it",
    "session": "/sessions/{first}",
    "session running": "/sessions/{running}",
    "session waiting": "/sessions/{waiting}",
    "history": "/sessions/{first}/history",
    "models": "/sessions/{first}/models",
    "no models": "/sessions/{waiting}/models",
    "remove model": "/sessions/{first}/models/remove?name=100",
    "code": "/sessions/{first}/code?path=main.py",
    "output": "/sessions/{first}/output?path=confusion.csv",
    "no output": "/sessions/{running}/output",
    "family": "/sessions/{first}/family",
    "tensorboard": "/sessions/{first}/tensorboard",
    "terminal": "/sessions/{running}/terminal",
    "terminal ended": "/sessions/{first}/terminal",
    "fork": "/sessions/{first}/fork",
    "submit": "/sessions/{first}/submit",
    "resume": "/sessions/{first}/resume",
    "remove": "/sessions/{first}/remove",
    "compare": "/compare?s={first}&s={forked}",
    "compare nothing": "/compare",
    "datasets": "/datasets",
    "no dataset": "/datasets?q=nothing-like-it",
    "dataset": "/datasets/{data}?path=train/digits.csv",
    "dataset picture": "/datasets/{data}?path=train/three.png",
    "remove dataset": "/datasets/{data}/remove",
    "boards": "/boards",
    "board": "/boards/{data}",
    "cluster": "/cluster",
    "credit": "/credit",
    "credit entries": "/credit?each=entry",
    "account": "/account",
    "tokens": "/account/tokens",
    "teams": "/teams",
    "storage": "/account/storage",
    "admin people": "/admin/people",
    "admin erase": "/admin/people/erase?name=bea",
    "admin nodes": "/admin/nodes",
    "admin policy": "/admin/policy",
    "admin credit": "/admin/credit?owner=bea",
    "admin audit": "/admin/audit",
    "nowhere": "/nowhere",
    "login": "/login",
    "invitation": "/invitation?name=bea&code=none",
}


@dataclass(frozen=True)
class Town:
    """What there is, by name."""

    data: str
    first: str
    forked: str
    running: str
    waiting: str
    enough: Path
    """The running one ends when this file is there."""

    def pages(self) -> Mapping[str, str]:
        """Return the address of every page, by what it shows."""
        return {name: address.format(**vars(self)) for name, address in _PAGES.items()}


def found(ann: Person, code: str = TRAINS) -> Town:
    """Have ann do what fills a platform."""
    data = "digits"
    _push(ann, data)
    first = _run(ann, code, data, "--lr 0.1 --width 64", "-m", "the one to beat")
    ann.wait(first, "Exited")
    forked = session(ann.says("fork", first, "-a", "--lr 0.3 --width 128", "-m", "faster"))
    ann.wait(forked, "Exited")
    ann.says("submit", "-b", first, "200")
    enough = ann.folder / "enough"
    running = _run(ann, code, data, "--lr 0.2", "-g", "1", "--env", f"UNTIL={enough}")
    waiting = _run(ann, code, data, "--lr 0.4", "-g", "2", "-m", "both GPUs")
    _settle_people(ann)
    ann.hears(running, "epoch  1")
    return Town(data, first, forked, running, waiting, enough)


def _push(ann: Person, data: str) -> None:
    rows = "".join(f"{number},{number * 37 % 17},{number % 10}\n" for number in range(40))
    files: Files = {
        "train/digits.csv": f"number,ink,label\n{rows}",
        "train/three.png": picture(),
        "test/test_data": "".join(f"{number}\n" for number in range(20)),
        "test/test_label": "".join(f"{number % 2}\n" for number in range(20)),
        "test_submit/test_data": "5\n6\n",
        "test_submit/test_label": "1\n0\n",
        "data_loader.py": LOADER,
    }
    folder = ann.push(data, files, "-d", "Handwritten digits, 16 × 16", "-m", "as they came")
    (folder / "README.md").write_text("# Digits\n\nWritten by twenty people.\n")
    evaluation = ann.write("judge", {"evaluation.py": EVALUATION, "board.yml": BOARD})
    ann.says("dataset", "push", data, str(folder), "-l", "-e", str(evaluation / "evaluation.py"))
    ann.says("board", "create", data, "-f", str(evaluation / "board.yml"))


LOADER = """
import os
from nsml import DATASET_PATH


def feed_infer(output_file, infer_func):
    with open(os.path.join(DATASET_PATH, "test", "test_data")) as file:
        found = infer_func([int(line) for line in file])
    with open(output_file, "w") as file:
        file.write("".join(f"{one}\\n" for one in found))
"""


def _run(ann: Person, code: str, data: str, args: str, *words: str) -> str:
    gpus = () if "-g" in words else ("-g", "0")
    folder = ann.write("code", {"main.py": code, "notes.md": "Wider nets learn faster here.\n"})
    said = ann.says("run", "-d", data, "-a", args, "--tag", "baseline", *gpus, *words, at=folder)
    return session(said)


def _settle_people(ann: Person) -> None:
    """Have bea and zoe, a team, a token, and what admins set."""
    ann.says("user", "add", "bea")
    ann.says("user", "add", "zoe")
    ann.says("user", "disable", "zoe")
    ann.says("team", "create", "vision", "--owner", "ann")
    ann.says("team", "add", "vision", "bea")
    ann.says("token", "create", "nightly", "--scope", "read")
    ann.says("credit", "grant", "bea", "5000", "-m", "for the summer")
    ann.says("quota", "set", "bea", "--gpus", "4", "--storage", "170G")
    ann.says("policy", "class", "set", "deadline", "--rank", "50", "--who", "bea")


def picture() -> bytes:
    """Return a PNG of a three, 16 × 16 in grey."""
    rows = [b"\x00" + bytes(_ink(x, y) for x in range(16)) for y in range(16)]
    size = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", size), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _ink(x: int, y: int) -> int:
    """Return how dark a point of the three is: two arcs, one on the other."""
    away = min(abs(((x - 6) ** 2 + (y - middle) ** 2) ** 0.5 - 3.4) for middle in (4.5, 11))
    return 255 if x < 4 else round(255 * min(away / 1.5, 1))


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
