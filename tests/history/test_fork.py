"""Making a session of another as it was at a moment of its past, and drawing who came of whom."""

import re

from nsml_core.blobs import copies
from tests.history.training import event, hang, points, saved, until, write_code
from tests.journeys.person import Person, session


def forked(ann: Person, *words: str) -> str:
    """Fork to the end, and return the new session's name."""
    done = ann.nsml("fork", *words, "-f")
    assert done.returncode == 0, done.stderr
    return session(done.stdout)


def test_from_a_running_session_at_an_earlier_checkpoint(ann: Person) -> None:
    ann.push("forks", {"a.txt": "one"})
    code = write_code(ann)
    parent = session(ann.says("run", "-g", "0", "-d", "forks", "-a", "--hang-at 5", at=code))
    ann.hears(parent, "hangs at 5")
    until(lambda: saved(ann, parent) == ["2", "4"])
    ann.push("forks", {"a.txt": "two"})
    moment = event(ann, parent, "CheckpointSaved", "checkpoint 2")

    others = ("-a", "--until 3", "--cpu", "2", "-m", "what if")
    child = forked(ann, parent, "--at", str(moment), *others)

    assert points(ann, child)[0] == [3]
    one, other = ann.json("show", parent), ann.json("show", child)
    assert (one["status"], other["status"]) == ("Running", "Exited")
    assert (one["type"], other["type"]) == ("normal", "normal/fork")
    assert other["parent"] == {"session": parent, "event": moment, "checkpoint": "2"}
    assert (other["start"], other["args"], other["cpus"]) == ("2", ["--until", "3"], 2)
    assert other["memo"] == "what if"
    for same in ("code_tree", "datasets", "seed", "entry", "env"):
        assert other[same] == one[same]
    assert other["datasets"] == ["forks@1"]
    assert f"a fork of {parent} at event {moment}, from checkpoint 2" in ann.says("history", child)
    assert "normal/fork" in ann.says("ps", "-a", "-s", child)
    ann.says("stop", parent)


def test_a_fork_of_a_fork_is_in_the_tree(ann: Person) -> None:
    root = hang(ann)
    first = forked(ann, root, "-a", "--until 8")
    second = forked(ann, first, "-c", "6", "-a", "--until 7")
    third = forked(ann, root, "-c", "2", "-a", "--until 3")
    ann.says("rm", first)

    for name in (root, second, third):
        drawn = re.findall(r"^[│├└─ ]*ann\S+", ann.says("tree", name), re.MULTILINE)
        assert drawn == [root, f"├── {first}", f"│   └── {second}", f"└── {third}"]
    family = ann.json("tree", root)
    assert [one["name"] for one in family] == [root, first, second, third]
    assert [one["status"] for one in family] == ["Running", "Removed", "Exited", "Exited"]
    assert family[2]["parent"]["checkpoint"] == "6"
    ann.says("stop", root)


def test_at_the_first_event_it_starts_from_the_beginning(ann: Person) -> None:
    parent = hang(ann, 3)
    first = event(ann, parent, "Requested")

    child = forked(ann, parent, "--at", str(first), "-a", "--until 1")

    assert points(ann, child)[0] == [1]
    assert ann.json("show", child)["parent"]["checkpoint"] is None
    ann.says("stop", parent)


def test_what_cannot_be_forked_makes_nothing(ann: Person) -> None:
    parent = hang(ann)
    early = event(ann, parent, "CheckpointSaved", "checkpoint 2")
    before = ann.json("ps", "-a")

    assert ann.refused("fork", parent, "-c", "4", "--at", str(early), code=3) == (
        f"Error: {parent} had no checkpoint 4 at event {early}: "
        f"`nsml show {parent} --at {early}` shows those that it had."
    )
    assert ann.refused("fork", parent, "--at", "1", code=3) == (
        f"Error: Event 1 is none of {parent}'s: `nsml history {parent}` shows those that are."
    )
    assert "is no event" in ann.refused("fork", parent, "--at", "yesterday", code=2)
    assert "in the code of" in ann.refused("fork", parent, "-e", "other.py", code=3)
    assert "No node has 99 GPUs" in ann.refused("fork", parent, "-g", "99", code=1)
    ann.refused("fork", "None/999999", code=3)

    names = [one["name"] for one in before]
    assert [one["name"] for one in ann.json("ps", "-a")] == names
    ann.says("stop", parent)


READS = """
import os, sys, nsml
from pathlib import Path
print((Path(os.environ["NSML_DATASET_PATH"]) / "a.txt").read_text(), flush=True)
nsml.report(step=1, size=1)
"""


def test_data_that_was_removed_is_kept_while_a_session_refers_to_it(ann: Person) -> None:
    ann.push("removed", {"a.txt": f"the words of {ann.folder.name}"})
    code = ann.write("code", {"main.py": READS})
    done = ann.nsml("run", "-g", "0", "-d", "removed", "-f", at=code)
    name = session(done.stdout)
    (dataset,) = (one for one in ann.json("dataset", "ls") if one["name"] == "removed")
    ann.says("dataset", "rm", "removed")
    copies.remove(ann.home / "cache" / "trees" / dataset["revisions"][0]["tree"])

    assert "There is no dataset" in ann.refused("run", "-d", "removed", code=3, at=code)
    fork = ann.nsml("fork", name, "-f")
    assert (fork.returncode, fork.stdout.splitlines()[-1]) == (0, done.stdout.splitlines()[-1])
    assert ann.json("show", session(fork.stdout))["datasets"] == ["removed@1"]
    assert ann.json("replay", name)["identical"] is True
    assert ann.nsml("resume", name, "--from-start", "-f").returncode == 0
