"""How the examples are run, and forked: as they stand, on a platform, with the frameworks."""

from pathlib import Path

from tests.journeys.person import Person, session

EXAMPLES = Path(__file__).parents[2] / "examples"


def script(example: str) -> str:
    return (EXAMPLES / example / "main.py").read_text()


def ran(ann: Person, frameworks: str, example: str, *words: str) -> str:
    done = ann.runs(script(example), "--env", f"PYTHONPATH={frameworks}", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return session(done.stdout)


def forked(ann: Person, parent: str, *words: str) -> str:
    done = ann.nsml("fork", parent, "-f", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return session(done.stdout)
