"""save() and load(): what a script saves is what it gets back."""

import re

import pytest

from tests.sdk.conftest import CHECKPOINT_CALLBACKS, Runner, Script, reports


def script(body: str) -> str:
    """Write a script that has bound callbacks."""
    return CHECKPOINT_CALLBACKS + body


@pytest.mark.parametrize("place", ["laptop", "session"])
def test_a_checkpoint_comes_back(place: str, request: pytest.FixtureRequest) -> None:
    here: Script = request.getfixturevalue(place)

    ended = here.run(
        script("""
weights = "first"; nsml.save(1)
weights = "best"; nsml.save("best")
weights = "second"; nsml.save(iteration=2)
nsml.load(1)
nsml.load(checkpoint="best")
nsml.load(iteration="2")
nsml.load()
nsml.load(load_fn=lambda path: print(os.listdir(path)))
""")
    )

    assert ended.stderr == ""
    assert ended.stdout.split() == ["first", "best", "second", "second", "['model']"]


def test_the_runner_is_told_name_and_step_and_takes_the_folder(
    session: Script, runner: Runner
) -> None:
    session.run(script('weights = "w"; nsml.save(10); nsml.save("best"); nsml.save("10")'))

    messages = runner.received()
    assert [(each["name"], each["step"]) for each in messages] == [
        ("10", 10),
        ("best", None),
        ("10", None),
    ]
    assert (runner.checkpoints / "best" / "model").read_text() == "w"


def test_without_a_name_it_is_the_time(session: Script, runner: Runner) -> None:
    session.run(script('weights = "w"; nsml.save()'))

    [message] = runner.received()
    assert re.fullmatch(r"\d{8}-\d{6}-\d{3}", message["name"])
    assert message["step"] is None


def test_what_was_reported_before_arrives_before(session: Script, runner: Runner) -> None:
    session.run(
        script("""
weights = "w"
for step in range(1_000):
    nsml.report(step=step, loss=step)
nsml.save(1)
nsml.report(step=1_000, loss=0)
""")
    )

    messages = runner.received()
    saved = [message["op"] for message in messages].index("save")
    before = [report for batch in messages[:saved] for report in reports(batch)]
    after = [report for batch in messages[saved + 1 :] for report in reports(batch)]
    assert [report["step"] for report in before] == list(range(1_000))
    assert [report["step"] for report in after] == [1_000]


def test_the_same_name_overwrites_on_a_laptop(laptop: Script) -> None:
    ended = laptop.run(
        script("""
weights = "old"; nsml.save("best")
weights = "newer"; nsml.save(1)
weights = "new"; nsml.save("best")
nsml.load("best"); nsml.load()
""")
    )

    assert ended.stdout.split() == ["new", "new"]
    checkpoints = laptop.folder / ".nsml" / "checkpoints"
    assert sorted(each.name for each in checkpoints.iterdir()) == [".saving", "1", "best"]
    assert list((checkpoints / ".saving").iterdir()) == []


def test_an_empty_checkpoint_is_stored_but_pointed_out(session: Script, runner: Runner) -> None:
    ended = session.run("import nsml; nsml.save(1, save_fn=lambda path: None)")

    assert ended.stderr == (
        "nsml: checkpoint 1 is empty: the save callback wrote nothing into its folder.\n"
    )
    assert [message["name"] for message in runner.received()] == ["1"]


def test_bound_keywords_go_to_the_callbacks_that_name_them(laptop: Script) -> None:
    ended = laptop.run("""
        import nsml

        def save(path, model):
            print("save", model)
            open(path + "/x", "w").close()

        nsml.bind(save=save, load=lambda path: print("load"), model="net", lr=1)
        nsml.bind(infer=lambda data, **rest: (data, rest))
        nsml.save(1)
        nsml.load(1)
        print(nsml.infer("image", top=5))
    """)

    assert ended.stdout.splitlines() == [
        "save net",
        "load",
        "('image', {'model': 'net', 'lr': 1, 'top': 5})",
    ]


def test_bound_objects_need_no_callbacks(laptop: Script) -> None:
    ended = laptop.run("""
        import nsml

        class Net:
            def __init__(self): self.weights = 0
            def state_dict(self): return {"weights": self.weights}
            def load_state_dict(self, state): self.weights = state["weights"]

        class Scaler:
            pass

        net, scaler, best = Net(), Scaler(), {}
        nsml.bind(net=net, scaler=scaler, best=best, use_nsml_legacy=False)
        net.weights, scaler.mean, best["loss"] = 7, 0.5, 0.1
        nsml.save("all")
        net.weights, scaler.mean, best["loss"], best["more"] = 0, 0, 0, 0
        nsml.load("all")
        print(net.weights, scaler.mean, best)
    """)

    assert (ended.stdout, ended.stderr) == ("7 0.5 {'loss': 0.1}\n", "")


def test_with_nothing_bound_it_says_what_to_call(laptop: Script) -> None:
    ended = laptop.run("import nsml; nsml.save(1)")

    assert "RuntimeError: nothing is bound for this: call nsml.bind(save=...) first" in ended.stderr


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "x" * 101, "new\nline"])
def test_a_name_that_is_no_name_is_refused(laptop: Script, name: str) -> None:
    ended = laptop.run(f"import nsml; nsml.save({name!r}, save_fn=print)")

    assert f"ValueError: {name!r} cannot name a checkpoint" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("place", ["laptop", "session"])
def test_loading_what_does_not_exist_is_an_error(
    place: str, request: pytest.FixtureRequest
) -> None:
    here: Script = request.getfixturevalue(place)

    ended = here.run(script('weights = "w"; nsml.save(1); nsml.load("best")'))

    assert ended.returncode == 1
    assert "FileNotFoundError: " in ended.stderr
    assert "no checkpoint best" in ended.stderr


def test_another_session_is_asked_for_by_name(session: Script, runner: Runner) -> None:
    session.run(script('weights = "w"; nsml.save(1); nsml.load(1, session="bob/mnist/7")'))

    assert runner.received()[1] == {
        "op": "load",
        "id": 1,
        "name": "1",
        "session": "bob/mnist/7",
    }
