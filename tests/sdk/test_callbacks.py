"""What callbacks may do with the path that they get, and what it costs when they raise."""

import pytest

from tests.sdk.conftest import Runner, Script


@pytest.mark.parametrize("place", ["laptop", "session"])
def test_scripts_of_2018_write_the_path_as_a_file(
    place: str, request: pytest.FixtureRequest
) -> None:
    here: Script = request.getfixturevalue(place)

    ended = here.run("""
        import nsml

        def save(path):
            with open(path, "w") as file:
                file.write("weights")

        nsml.bind(save=save, load=lambda path: print(open(path).read()))
        nsml.save(1)
        nsml.load(1)
    """)

    assert (ended.stdout, ended.stderr) == ("weights\n", "")


def test_or_make_the_folder_themselves(laptop: Script) -> None:
    ended = laptop.run("""
        import os, nsml

        def save(path):
            os.makedirs(path)
            open(os.path.join(path, "model"), "w").close()

        nsml.bind(save=save, load=lambda path: print(os.listdir(path)))
        nsml.save(1)
        nsml.load(1)
    """)

    assert (ended.stdout, ended.stderr) == ("['model']\n", "")


RAISING = """
import os, nsml

def save(path):
    open(os.path.join(path, "half"), "w").close()
    raise KeyError("optimizer") if nsml.strange else OSError(28, "No space left on device")

nsml.bind(save=save, load=print)
for nsml.strange in (False, True, True):
    nsml.save("x")
    print("trains", os.listdir(os.environ["NSML_CHECKPOINT_DIR"]))
"""


def test_a_callback_that_raises_costs_its_checkpoint_only(session: Script, runner: Runner) -> None:
    ended = session.run(RAISING)

    assert (ended.returncode, ended.stdout) == (0, "trains []\n" * 3)
    before = "nsml: checkpoint x is not saved, and training goes on: the save callback raised "
    after = " (main.py:6). NSML_STRICT=1 makes this an error."
    assert ended.stderr.splitlines() == [
        f"{before}OSError: [Errno 28] No space left on device{after}",
        f"{before}KeyError: 'optimizer'{after}",
        "nsml: 3 checkpoints were not saved, the last of them x.",
    ]
    assert runner.received() == []


@pytest.mark.parametrize("how", ["environment", "bind"])
def test_unless_it_is_to_be_strict(session: Script, how: str) -> None:
    script, env = RAISING, {"NSML_STRICT": "1"}
    if how == "bind":
        script, env = RAISING.replace("load=print", "strict=True"), {}
    ended = session.run(script, **env)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("OSError: [Errno 28] No space left on device\n")
    assert list((session.folder.parent / "scratch").iterdir()) == []


@pytest.mark.parametrize("place", ["laptop", "session"])
def test_scripts_of_late_2018_are_given_the_single_file(
    place: str, request: pytest.FixtureRequest
) -> None:
    here: Script = request.getfixturevalue(place)

    ended = here.run("""
        import os, nsml

        def save(path):
            with open(os.path.join(path, "model"), "w") as file:
                file.write("weights")

        nsml.bind(save=save, load=lambda path: print(open(path).read()))
        nsml.save(1)
        nsml.load(1)
    """)

    assert (ended.stdout, ended.stderr) == ("weights\n", "")


def test_what_a_load_callback_raises_of_itself_is_raised(laptop: Script) -> None:
    ended = laptop.run("""
        import os, nsml

        def load(path):
            print(os.path.basename(path))
            open(os.path.join(path, "model")).read()
            raise RuntimeError("size mismatch")

        nsml.bind(save=lambda path: open(path + "/model", "w").close(), load=load)
        nsml.save(1)
        nsml.load(1)
    """)

    assert (ended.returncode, ended.stdout) == (1, "1\n")
    assert ended.stderr.endswith("RuntimeError: size mismatch\n")
