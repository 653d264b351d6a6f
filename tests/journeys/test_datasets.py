"""Datasets as a person keeps them: revisions, deduplication, interruptions, and what is refused."""

import os
import random
import re
import signal
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.journeys.person import Done, Person, content, interrupt

_MB = 1 << 20
_NEW = re.compile(r"the store grew by ([\d.]+) (\w+)")
_UNITS = {"B": 1, "KB": 1 << 10, "MB": _MB}


def new_bytes(said: str) -> float:
    """Return how much of a push was new to the store."""
    found = _NEW.search(said)
    assert found, said
    return float(found[1]) * _UNITS[found[2]]


def stored_bytes(person: Person) -> int:
    """Return how much there is in the store, while others add to it and tidy up."""
    total = 0
    for file in (person.home / "blobs").rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def test_revisions(ann: Person) -> None:
    folder = ann.write("rev", {"a.txt": "one", "b.txt": "same"})
    push = ("dataset", "push", "rev", str(folder))
    assert ann.says(*push).startswith("Dataset rev@1 is pushed: 2 files, 7 B; ")
    assert ann.says(*push) == "Dataset rev@1 is unchanged: 2 files, 7 B\n"
    ann.write("rev", {"a.txt": "two"})
    assert ann.says(*push, "-m", "better").startswith("Dataset rev@2 is pushed: 2 files, 7 B; ")

    assert ann.says("dataset", "pull", "rev@1", "first") == "Dataset rev@1 is in first\n"
    ann.says("dataset", "pull", "rev", "newest")
    assert content(ann.folder / "first") == {"a.txt": b"one", "b.txt": b"same"}
    assert content(ann.folder / "newest") == {"a.txt": b"two", "b.txt": b"same"}
    board = ann.says("dataset", "board", "rev")
    assert "rev@1" in board
    assert "better" in board
    read = "import nsml; print(open(nsml.DATASET_PATH + '/a.txt').read())"
    assert ann.runs(read, "-d", "rev@1").stdout.splitlines()[-1] == "one"
    assert ann.runs(read, "-d", "rev").stdout.splitlines()[-1] == "two"


def test_who_may_see_it_is_kept_until_changed(ann: Person) -> None:
    folder = ann.push("hidden", {"x": "x"}, "--private", "-d", "not for everybody")

    def shown() -> tuple[bool, str]:
        (one,) = ann.json("dataset", "search", "hidden")
        return one["private"], one["description"]

    assert shown() == (True, "not for everybody")
    ann.write("hidden", {"x": "y"})
    ann.says("dataset", "push", "hidden", str(folder))
    assert shown() == (True, "not for everybody")
    ann.says("dataset", "push", "hidden", str(folder), "--public")
    assert shown() == (False, "not for everybody")


def test_search_takes_parts_and_patterns(ann: Person) -> None:
    for name in ("find_cats", "find_dogs", "cats_too"):
        ann.push(name, {"x": "x"})

    def found(pattern: str) -> list[str]:
        return sorted(one["name"] for one in ann.json("dataset", "search", pattern))

    assert found("cats") == ["cats_too", "find_cats"]
    assert found("find_*") == ["find_cats", "find_dogs"]
    assert found("find_????") == ["find_cats", "find_dogs"]
    assert ann.refused("dataset", "search", "no_such_*", code=3) == (
        "Error: No dataset matches 'no_such_*': `nsml dataset ls` lists them."
    )


def test_removed_is_gone_but_its_sessions_remember(ann: Person) -> None:
    folder = ann.push("gone", {"x": "x"})
    name = ann.runs("", "-d", "gone").stdout.split()[1]
    assert ann.says("dataset", "rm", "gone") == "Dataset gone is removed\n"
    ann.refused("dataset", "board", "gone", code=3)
    ann.refused("run", "-d", "gone", code=3, at=ann.folder / "code")
    assert ann.json("show", name)["datasets"] == ["gone@1"]
    assert ann.says("dataset", "push", "gone", str(folder)).startswith("Dataset gone@")


def test_of_a_large_file_only_what_changed_is_kept(ann: Person) -> None:
    # Where content is cut depends on the content: the same each time.
    dice = random.Random(7)  # noqa: S311
    large = bytearray(dice.randbytes(40 * _MB))
    folder = ann.write("large", {"large.bin": bytes(large)})
    first = ann.says("dataset", "push", "large", str(folder))
    assert 40 * _MB <= new_bytes(first) < 41 * _MB
    at = 17 * _MB
    large[at : at + 400_000] = dice.randbytes(400_000)
    ann.write("large", {"large.bin": bytes(large)})
    second = ann.says("dataset", "push", "large", str(folder))
    assert new_bytes(second) < 4 * _MB
    ann.says("dataset", "pull", "large", "here")
    assert (ann.folder / "here/large.bin").read_bytes() == large


def test_many_small_files(ann: Person) -> None:
    files = {f"{number % 40}/{number}.txt": f"{number}\n" * 9 for number in range(2000)}
    folder = ann.write("small", files)
    said = ann.says("dataset", "push", "small", str(folder))
    assert said.startswith("Dataset small@1 is pushed: 2,000 files, ")
    ann.says("dataset", "pull", "small", "here")
    assert content(ann.folder / "here") == content(folder)
    script = "import nsml, pathlib; print(len(list(pathlib.Path(nsml.DATASET_PATH).glob('*/*'))))"
    assert ann.runs(script, "-d", "small").stdout.splitlines()[-1] == "2000"


def interrupted_push(person: Person, number: signal.Signals) -> tuple[str, Done]:
    """Interrupt a push after it has begun to store; until one is not faster than we are."""
    for attempt in count(1):
        name = f"{number.name}{attempt}"
        folder = person.write(name, {f"{at}.bin": os.urandom(_MB) for at in range(60)})
        before = stored_bytes(person)
        pushing = person.types("dataset", "push", name, str(folder))
        while pushing.poll() is None and stored_bytes(person) < before + _MB:
            time.sleep(0.005)
        done = interrupt(pushing, number)
        if done.returncode != 0:
            return name, done
    raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_an_interrupted_push_is_taken_up_again(ann: Person, number: signal.Signals) -> None:
    name, done = interrupted_push(ann, number)
    if number == signal.SIGINT:
        assert done.returncode == 130, done
        assert "What was sent is kept: the next push goes on from there." in done.stderr
        assert "Traceback" not in done.stderr
    ann.refused("dataset", "board", name, code=3)
    again = ann.says("dataset", "push", name, str(ann.folder / name))
    assert again.startswith(f"Dataset {name}@1 is pushed: 60 files, 60.00 MB; ")
    ann.says("dataset", "pull", name, "here")
    assert content(ann.folder / "here") == content(ann.folder / name)


def test_what_changes_while_it_is_pushed_is_never_half_a_revision(ann: Person) -> None:
    folder = ann.write("moving", {f"{at}.bin": os.urandom(_MB // 4) for at in range(60)})
    over = Event()

    def write() -> None:
        while not over.is_set():
            for at in range(60):
                with (folder / f"{at}.bin").open("ab") as file:
                    file.write(b"more")

    writer = Thread(target=write)
    writer.start()
    try:
        said = ann.refused("dataset", "push", "moving", str(folder), code=1)
    finally:
        over.set()
        writer.join()
    assert re.fullmatch(
        r"Error: '\d+\.bin' changed while it was pushed: push again when nothing writes there\.",
        said,
    )
    ann.refused("dataset", "board", "moving", code=3)
    ann.says("dataset", "push", "moving", str(folder))


def test_a_session_cannot_write_into_its_data(ann: Person) -> None:
    script = """
import os
import nsml
file = os.path.join(nsml.DATASET_PATH, "a.txt")
print(oct(os.stat(file).st_mode & 0o222), oct(os.stat(nsml.DATASET_PATH).st_mode & 0o222))
"""
    ann.push("readonly", {"a.txt": "a"})
    assert ann.runs(script, "-d", "readonly").stdout.splitlines()[-1] == "0o0 0o0"


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.txt", "deep/../../outside.txt"])
def test_links_that_lead_outside_are_refused(ann: Person, target: str) -> None:
    folder = ann.write("links", {"a.txt": "a", "deep/b.txt": "b"})
    (folder / "link").symlink_to(target)
    said = ann.refused("dataset", "push", "links", str(folder), code=2)
    assert said.startswith("Error: The link 'link' leads ")
    ann.refused("dataset", "board", "links", code=3)


def test_links_that_stay_inside_come_back_as_links(ann: Person) -> None:
    folder = ann.write("inner", {"a.txt": "a", "deep/b.txt": "b"})
    (folder / "deep/link").symlink_to("../a.txt")
    ann.says("dataset", "push", "inner", str(folder))
    ann.says("dataset", "pull", "inner", "here")
    assert (ann.folder / "here/deep/link").readlink() == Path("../a.txt")


@pytest.fixture(scope="package")
def one_rev(machine: Person) -> str:
    """A dataset that has one revision."""
    machine.push("one_rev", {"x": "x"})
    return "one_rev@1"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("push empty {empty}", 2, "The folder is empty: a dataset has at least one file."),
        ("push none {empty}/none", 3, "There is no folder {empty}/none."),
        ("push file {file}", 1, "{file} is a file: name the folder that it is in."),
        ("push bad/name {empty}", 2, "'bad/name' is no dataset name: use 1 to 20 of A-Z a-z 0-9"),
        ("push {long} {empty}", 2, "'{long}' is no dataset name: use 1 to 20 of A-Z a-z 0-9 _ -"),
        ("push -x {empty}", 2, "No such option '-x'. Try `nsml dataset push --help`."),
        ("push x@2 {empty}", 2, "A push makes the next revision by itself: leave out @2."),
        ("pull nothing", 3, "There is no dataset nothing: `nsml dataset ls` shows those that"),
        ("pull one_rev@2", 3, "The dataset one_rev has no revision 2: its newest is {old};"),
        ("pull one_rev@zero", 2, "'zero' is no revision: write one_rev@1, one_rev@2 and so on."),
        ("rm nothing", 3, "There is no dataset nothing: "),
        ("board nothing", 3, "There is no dataset nothing: "),
    ],
)
def test_what_cannot_be(ann: Person, one_rev: str, words: str, code: int, sentence: str) -> None:
    folder = ann.write("empty", {})
    names = {"empty": str(folder), "file": __file__, "long": "a" * 21, "old": one_rev}
    said = ann.refused("dataset", *words.format(**names).split(), code=code)
    assert said.startswith("Error: " + sentence.format(**names))


def test_a_name_that_is_not_portable(ann: Person) -> None:
    folder = ann.write("names", {"good": "x"})
    (Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff"))).write_text("x")
    said = ann.refused("dataset", "push", "names", str(folder), code=2)
    assert said == f"Error: The name of '{folder}/bad\\xff' is not UTF-8: rename it."
