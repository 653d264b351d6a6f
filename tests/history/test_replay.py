"""A session run again does the same; one that rolls its own dice does not, and it says where."""

from tests.journeys.person import Person, interrupt, session

SAME = """
import os, random, nsml
random.seed(int(os.environ["NSML_SEED"]))
nsml.bind(save=lambda folder: open(os.path.join(folder, "w"), "w").write(str(random.random())))
for step in range(3):
    nsml.report(step=step, loss=random.random())
    nsml.save(step)
"""
OTHER = SAME.replace('int(os.environ["NSML_SEED"])', "None")
WAITS = """
import os, time
while not os.path.exists(os.environ["GO"]):
    time.sleep(0.02)
"""
HANGS = "import time; time.sleep(600)"


def ran(ann: Person, code: str) -> str:
    folder = ann.write("code", {"main.py": code})
    return session(ann.says("run", "-g", "0", "-f", at=folder))


def test_the_same_code_and_seed_do_the_same(ann: Person) -> None:
    one = ran(ann, SAME)

    told = ann.json("replay", one)

    assert (told["identical"], told["differences"]) == (True, [])
    assert (told["checkpoints"], told["points"]) == (3, 3)
    assert ann.json("show", told["replay"])["seed"] == ann.json("show", one)["seed"]


def test_what_is_not_the_same_is_named_with_its_place_and_size(ann: Person) -> None:
    one = ran(ann, OTHER)

    done = ann.nsml("replay", one)

    assert done.returncode == 1
    assert "Model 0:" in done.stdout
    assert "Metric loss: first at step 0:" in done.stdout
    assert "are not identical" in done.stdout


def test_a_failed_session_is_replayed_to_the_same_failure(ann: Person) -> None:
    folder = ann.write("code", {"main.py": "raise SystemExit(7)"})
    one = session(ann.nsml("run", "-g", "0", "-f", at=folder).stdout)

    assert ann.json("replay", one)["identical"] is True


def test_ctrl_c_leaves_a_replay_alone_and_says_how_to_compare_later(ann: Person) -> None:
    go = ann.folder / "go"
    go.touch()
    folder = ann.write("code", {"main.py": WAITS})
    one = session(ann.says("run", "-g", "0", "-f", "--env", f"GO={go}", at=folder))
    go.unlink()
    watching = ann.types("replay", one)
    assert watching.stderr
    again = watching.stderr.readline().split()[1]
    ann.wait(again, "Running")

    done = interrupt(watching)

    assert done.returncode == 130
    assert f"`nsml diff {one} {again}` compares them when it has ended." in done.stderr
    go.touch()
    ann.wait(again, "Exited")


def test_a_running_session_is_not_replayed(ann: Person) -> None:
    folder = ann.write("code", {"main.py": HANGS})
    one = session(ann.says("run", "-g", "0", at=folder))

    assert "has not ended" in ann.refused("replay", one, code=1)

    ann.says("stop", one)
