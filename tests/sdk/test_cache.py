"""cache(): what was made once is fetched, until something about it is different."""

import pytest

from tests.sdk.conftest import Script

SCRIPT = """
import os, sys, nsml

def load(output_path, size=1, data=None, fails=False):
    print("made", size)
    if fails:
        raise ValueError("broken data")
    with open(output_path[0], "w") as file:
        file.write("images of " + str(size))
    os.makedirs(output_path[1], exist_ok=True)
    open(os.path.join(output_path[1], "label"), "w").close()

def outputs():
    return open("images").read(), os.listdir("labels")

PATHS = ["./images", "labels"]
"""
KEPT = "('images of 1', ['label'])"


def test_it_is_made_once_and_what_was_fetched_may_be_changed(laptop: Script) -> None:
    again = """
nsml.cache(load, output_path=PATHS, size=1, data=object())
print(outputs())
open("images", "w").close(); os.remove("labels/label")
"""
    first = laptop.run(SCRIPT + again)
    second = laptop.run(SCRIPT + again + again)

    assert (first.stderr, second.stderr) == ("", "")
    assert first.stdout.splitlines() == ["made 1", KEPT]
    assert second.stdout.splitlines() == [KEPT, KEPT]


@pytest.mark.parametrize("other", ["size=2", "size=1.5", "output_path=['./images', './other']"])
def test_what_is_different_is_made_again(laptop: Script, other: str) -> None:
    given = f"{{**dict(output_path=PATHS, size=1), **dict({other})}}"
    ended = laptop.run(
        SCRIPT + f"nsml.cache(load, output_path=PATHS, size=1); nsml.cache(load, **{given})"
    )

    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 2


def test_another_text_of_the_function_is_another_function(laptop: Script) -> None:
    call = "nsml.cache(load, output_path=PATHS)"
    laptop.run(SCRIPT + call)
    ended = laptop.run(SCRIPT.replace("images of", "pictures of") + call)

    assert ended.stdout == "made 1\n"


def test_processes_of_one_script_make_it_once(laptop: Script) -> None:
    ended = laptop.run(
        SCRIPT
        + """
import multiprocessing

def work():
    nsml.cache(load, output_path=PATHS)
    print(open("images").read())

processes = [multiprocessing.get_context("fork").Process(target=work) for _ in range(3)]
for each in processes: each.start()
for each in processes: each.join()
"""
    )

    assert ended.stderr == ""
    assert sorted(ended.stdout.splitlines()) == [*["images of 1"] * 3, "made 1"]


def test_what_the_function_raises_is_the_scripts_own(laptop: Script) -> None:
    ended = laptop.run(SCRIPT + "nsml.cache(load, output_path=PATHS, fails=True)")

    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, "ValueError: broken data")


def test_a_function_that_writes_nothing_is_told_so_and_called_again(laptop: Script) -> None:
    ended = laptop.run("""
        import nsml
        for _ in range(2):
            nsml.cache(lambda output_path: print(output_path))
    """)

    assert ended.stdout.splitlines() == ["['./processed']"] * 2
    said = "nsml: nothing is cached: the function did not write ./processed."
    assert ended.stderr.splitlines() == [said] * 2
