"""What a session cannot be: one sentence, an exit code, and nothing half-made."""

import signal
from pathlib import Path

import pytest

from tests.journeys.person import Person

FILES = {"broken.py": "def", "left/out.py": "", "main.py": "", ".nsmlignore": "left/"}
_NO_ENTRY = "There is no entry 'main.py' in {here}: name your script, such as -e train.py."


@pytest.fixture(scope="package")
def code_of_all_sorts(machine: Person) -> Path:
    """Code and a dataset, of which each test asks something that cannot be."""
    machine.push("data", {"x": "x"})
    machine.write(".", {"up.py": ""})
    return machine.write("all_sorts", FILES)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("-d nothing", 3, "Error: There is no dataset nothing: `nsml dataset ls` shows those"),
        ("-d data@7", 3, "Error: The dataset data has no revision 7: its newest is data@1;"),
        ("-d data@x", 2, "Error: 'x' is no revision: write data@1, data@2 and so on."),
        ("-d no/name", 2, "Error: 'no/name' is no dataset name: use 1 to 20 of "),
        ("-d aaaaaaaaaabbbbbbbbbbc", 2, "Error: 'aaaaaaaaaabbbbbbbbbbc' is no dataset name: "),
        ("-d data -d data@1", 1, "Rejected: The same dataset is named twice: a session sees one"),
        ("-e none.py", 3, "Error: There is no entry 'none.py' in {here}: name your script, such"),
        ("-e ../up.py", 2, "Error: The entry '../up.py' is outside of this folder: go to the"),
        ("-e broken.py", 2, "Error: broken.py line 1 does not compile ("),
        ("-e left/out.py", 2, "Error: The entry 'left/out.py' is left out: take it back in "),
        ("-g 3", 1, "Rejected: "),
        ("-g 1000000", 1, "Rejected: "),
        ("-g -1", 2, "Error: Invalid value for '--gpus' / '-g': -1 is not between 0 and "),
        ("-g many", 2, "Error: Invalid value for '--gpus' / '-g': 'many' is no whole number."),
        ("-c 0", 2, "Error: Invalid value for '--cpus': 0 is not between 1 and "),
        ("-c 9", 1, "Rejected: "),
        ("--memory 8Q", 2, "Error: '8Q' is no size: write it like 512M or 8G."),
        ("--memory -1G", 2, "Error: '-1G' is no size: write it like 512M or 8G."),
        ("--memory 0", 2, "Error: '0' is too little: write it like 512M or 8G."),
        ("--memory 9000T", 1, "Rejected: "),
        ("--env 1A=2", 2, "Error: '1A=2' is no environment variable: write it like --env KEY="),
        ("--env A", 2, "Error: 'A' is no environment variable: write it like --env KEY=VALUE."),
        ("-a 'open", 2, "Error: The arguments cannot be split (No closing quotation): close"),
        ("-n 2", 1, "Rejected: Only 1 node can hold 1 GPU, 1 CPU, and 2 are asked for at once."),
    ],
)
def test_a_run_that_cannot_be(
    ann: Person, code_of_all_sorts: Path, words: str, code: int, sentence: str
) -> None:
    said = ann.refused("run", *words.split(), "-m", "never", code=code, at=code_of_all_sorts)
    assert said.startswith(sentence.format(here=code_of_all_sorts))
    if said.startswith("Rejected"):
        assert "never" not in ann.says("ps", "-a")


def test_more_gpus_than_there_are_names_what_there_is(ann: Person) -> None:
    here = ann.write("code", {"main.py": ""})
    assert "2 GPUs" in ann.refused("run", "-g", "3", code=1, at=here)


def test_an_empty_folder_has_nothing_to_run(ann: Person) -> None:
    said = ann.refused("run", code=3)
    assert said == f"Error: {_NO_ENTRY.format(here=ann.folder)}"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
def test_code_with_a_link_that_leads_outside(ann: Person, target: str) -> None:
    here = ann.write("code", {"main.py": ""})
    (here / "link").symlink_to(target)
    said = ann.refused("run", "-g", "0", code=2, at=here)
    assert said.startswith("Error: The link 'link' leads ")
    assert f"to '{target}'" in said


def test_an_entry_that_is_a_link_to_outside(ann: Person) -> None:
    here = ann.write("code", {"other.py": ""})
    (ann.folder / "real.py").write_text("")
    (here / "main.py").symlink_to("../real.py")
    assert "outside of this folder" in ann.refused("run", "-g", "0", code=2, at=here)


def test_an_entry_that_fails_at_import(ann: Person) -> None:
    done = ann.runs("import no_such_module_anywhere")
    name = done.stdout.split()[1]
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'no_such_module_anywhere'" in done.stdout
    assert done.stderr.splitlines()[-1].startswith(f"Session {name} has ended: Failed (")
    assert "no_such_module_anywhere" in ann.json("show", name)["reason"]


@pytest.mark.parametrize(
    "requirements", ["./not-here\n", "--no-index\nnothing-like-this\n", "%%% ???\n"]
)
def test_requirements_that_cannot_be_met(ann: Person, requirements: str) -> None:
    done = ann.runs("print('never')", files={"requirements.txt": requirements})
    name = done.stdout.split()[1]
    assert done.returncode == 1
    assert "never" not in done.stdout
    ending = done.stderr.splitlines()[-1]
    assert ending.startswith(f"Session {name} has ended: Failed (")
    assert "requirements.txt" in ending
    assert ann.json("credit")["held_gpu_ms"] == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("show none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("logs none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("logs -f bob/none/1", 3, "There is no session bob/none/1: `nsml ps -a` shows yours."),
        ("stop none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("rm none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("memo none/1 text", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("model ls none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("model pull none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("pull none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("download none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("status none/1", 3, "There is no session ann/none/1: `nsml ps -a` shows yours."),
        ("show one", 2, "'one' is no session name: it looks like ann/mnist/3, or mnist/3 for"),
        ("show none/x", 2, "'none/x' is no session name: it looks like ann/mnist/3, or mnist/3"),
        ("stop none/*", 3, "No live session matches 'none/*': `nsml ps -a` lists them."),
        ("rm none/?", 3, "No session matches 'none/?': `nsml ps -a` lists them."),
        ("logs --since later none/1", 2, "'later' is no time: write 30s, 10m, 2h, 1d or "),
        ("pus", 2, "There is no command 'pus'. Did you mean 'ps'?"),
    ],
)
def test_sessions_and_words_that_are_not(ann: Person, words: str, code: int, sentence: str) -> None:
    assert ann.refused(*words.split(), code=code).startswith(f"Error: {sentence}")


def test_nothing_to_bring_back(ann: Person) -> None:
    name = ann.runs("").stdout.split()[1]
    assert ann.refused("model", "pull", name, code=3) == (
        f"Error: Session {name} has saved no model yet."
    )
    assert ann.refused("download", name, code=3).startswith(
        f"Error: Session {name} wrote nothing to keep: "
    )


def test_a_checkpoint_that_goes_wrong_is_told_to_the_code(ann: Person) -> None:
    script = """
import nsml
def save(folder):
    raise RuntimeError("the disk of my dreams")
nsml.bind(save=save)
nsml.save(1)
"""
    done = ann.runs(script, "--env", "NSML_STRICT=1")
    assert done.returncode == 1
    assert "the disk of my dreams" in done.stdout
    assert ann.json("model", "ls", done.stdout.split()[1]) == []


def test_more_memory_than_was_asked_for(ann: Person) -> None:
    done = ann.runs("x = b'x' * (1 << 29); import time; time.sleep(60)", "--memory", "100M")
    shown = ann.json("show", done.stdout.split()[1])
    assert done.returncode == 128 + signal.SIGKILL
    assert shown["outcome"]["out_of_memory"] is True
    assert "memory" in done.stderr.splitlines()[-1]
