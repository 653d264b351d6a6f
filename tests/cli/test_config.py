"""What `-c`, `--params` and dotted overrides make of a configuration, and what they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from nsml_cli import config, dotted, overrides
from nsml_core.errors import Error

BASE = """
train: {lr: 0.1, epochs: 5, out: "runs/${name}"}
name: base
layers: [16, 32]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configuration files to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "more.yml").write_text("train: {lr: 0.2}\nopt: {name: adam}\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/opt.yaml").write_text("name: sgd\n")
    (tmp_path / "conf/train.json").write_text('{"lr": 1e-3}')
    (tmp_path / "conf/README.md").write_text("# not read\n")
    return tmp_path


def chosen(*words: str, files: tuple[str, ...] = ("base.yaml",), params: str = "") -> Any:
    return json.loads(config.choose(files, params, overrides.read_all(words)).config)


def test_later_files_win_and_what_is_typed_wins_over_all() -> None:
    both = chosen("train.epochs=7", "name=x", files=("base.yaml", "more.yml"))

    assert both == {
        "train": {"lr": 0.2, "epochs": 7, "out": "runs/x"},
        "name": "x",
        "layers": [16, 32],
        "opt": {"name": "adam"},
    }


def test_files_by_group() -> None:
    groups = {"opt": {"name": "sgd"}, "train": {"lr": 0.001}}

    assert chosen(files=("conf",)) == groups
    assert chosen(files=("opt=conf/opt.yaml", "train=conf/train.json")) == groups


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("train.lr=2e-2", "lr", 0.02),
        ("train.lr=null", "lr", None),
        ("train.lr=[1, a]", "lr", [1, "a"]),
        ("train.lr='1'", "lr", "1"),
        ("train.lr=a=b", "lr", "a=b"),
        ("train.lr=", "lr", None),
        ("+train.new=true", "new", True),
        ("++train.lr=3", "lr", 3),
        ("train.lr=${train.epochs}", "lr", 5),
    ],
)
def test_values_are_read_as_yaml(word: str, key: str, value: object) -> None:
    assert chosen(word)["train"][key] == value


def test_lists_by_index_and_keys_removed() -> None:
    assert chosen("layers.0=1", "layers[1]=2", "~train.out", "~name=base") == {
        "train": {"lr": 0.1, "epochs": 5},
        "layers": [1, 2],
    }


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("train.lrr=1", "configuration: write train.lr, or +train.lrr=1 to add it."),
        ("~train.lrr", "There is no train.lrr in the configuration: write train.lr."),
        ("lr=1", "There is no lr in the configuration: write train.lr, or +lr=1 to add it."),
        ("zzz=1", "There is no zzz in the configuration: write +zzz=1 to add it."),
        ("+train.lr=1", "train.lr is in the configuration already"),
        ("train.lr.x=1", "There is no train.lr.x"),
        ("layers.2=1", "There is no layers.2"),
        ("train.lr=[1", "'train.lr=[1' cannot be read (line 2: "),
        ("train.lr=${nope}", "cannot be resolved (train.lr: Interpolation key 'nope' not found)"),
        ("train.lr=${nope:1}", "Unsupported interpolation type nope"),
        ("train.lr=${train.lr}", "cannot be resolved (train.lr: "),
        ("train.lr=???", "train.lr is ???, so write train.lr=VALUE."),
        ("train.py", "'train.py' is no override: write KEY=VALUE"),
        ("=1", "'=1' is no override"),
        ("+train.x=!!binary aGVsbG8=", "holds what JSON cannot"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(word: str, sentence: str) -> None:
    with pytest.raises(Error) as caught:
        chosen(word)

    assert sentence in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1", "bad.yaml cannot be read (line "),
        ("a: 1\na: 2", "found duplicate key a"),
        ("- a", "bad.yaml is no configuration"),
        ("5", "bad.yaml cannot be read (Invalid loaded object type: int)"),
        ("defaults: [db]", "Hydra reads in the script itself"),
        ("\udcff", "bad.yaml cannot be read ("),
    ],
)
def test_a_bad_file(folder: Path, text: str, sentence: str) -> None:
    (folder / "bad.yaml").write_text(text, errors="surrogateescape")

    with pytest.raises(Error, match=r"^[^\n]+$") as caught:
        chosen(files=("bad.yaml",))
    assert sentence in caught.value.sentence


@pytest.mark.parametrize("name", ["nope.yaml", "opt=nope.yaml"])
def test_a_file_that_is_not_there(name: str) -> None:
    with pytest.raises(Error, match=r"There is no configuration file 'nope.yaml' here\."):
        chosen(files=(name,))


def test_a_folder_without_files(folder: Path) -> None:
    (folder / "empty").mkdir()

    with pytest.raises(Error, match="There is no configuration file in empty"):
        chosen(files=("empty",))


def test_params_that_name_a_key_are_part_of_the_configuration(folder: Path) -> None:
    (folder / "params.json").write_text('{"train.lr": 0.5, "network.version": "1_0", "name": "p"}')
    typed = overrides.read_all(["name=typed"])

    both = config.choose(("base.yaml",), "params.json", typed)

    assert json.loads(both.params) == {
        "train.lr": 0.5,
        "network.version": "1_0",
        "name": "typed",
    }
    merged = json.loads(both.config)
    assert (merged["train"]["lr"], merged["name"]) == (0.5, "typed")
    assert "network.version" not in merged


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ("{", "no JSON"),
        ("nope.json", "There is no file 'nope.json' here, nor is this JSON."),
        ("base.yaml", "no JSON"),
        ("list.json", "Parameters are one JSON object"),
        (".", "no JSON"),
    ],
)
def test_params_that_are_none(folder: Path, params: str, sentence: str) -> None:
    (folder / "list.json").write_text("[1]")

    with pytest.raises(Error) as caught:
        config.choose((), params, [])
    assert sentence in caught.value.sentence


def test_a_fork_changes_what_was_resolved() -> None:
    first = config.choose(("base.yaml",), '{"lr": 1}', overrides.read_all([r"name=\${x}"]))
    typed = overrides.read_all(["train.lr=9", "lr=2"])

    with pytest.raises(Error, match=r"There is no lr in the configuration"):
        config.choose_again(first, "", typed)
    again = config.choose_again(first, '{"train.epochs": 1}', typed[:1])

    assert json.loads(again.config) == {
        "train": {"lr": 9, "epochs": 1, "out": "runs/${x}"},
        "name": "${x}",
        "layers": [16, 32],
    }
    assert json.loads(again.params) == {"lr": 1, "train.epochs": 1}
    assert json.loads(config.choose_again(config.Chosen("", '{"lr": 1}'), "", typed).params) == {
        "lr": 2
    }


def test_what_refers_to_a_key_follows_it_into_a_fork(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "ann")
    (folder / "refers.yaml").write_text("who: ${oc.env:WHO}\nname: a\nout: ${who}/${name}\n")
    first = config.choose(("refers.yaml",), "", [])
    monkeypatch.delenv("WHO")

    again = config.choose_again(first, "", overrides.read_all(["name=b"]))
    third = config.choose_again(again, "", overrides.read_all(["who=bob", "out=${name}/${who}"]))

    assert json.loads(first.config) == {"who": "ann", "name": "a", "out": "ann/a"}
    assert json.loads(again.config) == {"who": "ann", "name": "b", "out": "ann/b"}
    assert json.loads(third.config) == {"who": "bob", "name": "b", "out": "b/bob"}
    assert config.choose(("conf/opt.yaml",), "", []).draft == ""


def test_arguments_take_the_place_of_earlier_ones() -> None:
    args = ["--lr", "1", "train.lr=1", "+new=2", "--x=3"]
    typed = overrides.read_all(["train.lr=5", "new=6", "other=7"])

    assert overrides.as_arguments(args, typed) == [
        *("--lr", "1", "train.lr=5", "+new=6", "--x=3", "other=7")
    ]


def test_keys_and_values_as_people_write_them() -> None:
    text = '{"a": {"b": 1, "c": {}}, "d": [1, 2], "e": "x y", "f": "1", "g": "", "h": "true"}'
    values = ("1", "{}", "[1, 2]", "x y", '"1"', '""', '"true"')

    assert dotted.read(text) == dict(zip(("a.b", "a.c", *"defgh"), values, strict=True))
    assert dotted.read("") == {}
