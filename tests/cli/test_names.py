"""What people type is read as they mean it, or refused in a sentence."""

from datetime import UTC, datetime

import pytest

from nsml_client import names
from nsml_core.errors import Invalid

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ann/mnist/3", "ann/mnist/3"),
        ("mnist/3", "ann/mnist/3"),
        ("bob/mnist/3", "bob/mnist/3"),
        ("ann/None/1/", "ann/None/1"),
        (" ann/mnist/3 ", "ann/mnist/3"),
    ],
)
def test_a_session_may_be_shortened(typed: str, name: str) -> None:
    assert names.session(typed, "ann") == name


@pytest.mark.parametrize("typed", ["", "3", "mnist", "a/b/c", "a/b/3/4", "ann/mn ist/3", "a/*/1"])
def test_what_is_no_session_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="no session name"):
        names.session(typed, "ann")


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("ann/mnist/1?", "ann/mnist/1?"),
        ("mnist/*", "ann/mnist/*"),
        ("*", "ann/*"),
        ("ann/*", "ann/*"),
        ("*/mnist/1", "*/mnist/1"),
        ("mnist/3", "ann/mnist/3"),
    ],
)
def test_a_pattern_is_one_of_whole_names(typed: str, pattern: str) -> None:
    assert names.sessions(typed, "ann") == pattern


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("8G", 8 << 30),
        ("50GB", 50 << 30),
        ("24gib", 24 << 30),
        ("512M", 512 << 20),
        ("1.5 G", 3 << 29),
        ("40000000000", 40_000_000_000),
    ],
)
def test_memory(typed: str, size: int) -> None:
    assert names.memory(typed) == size


@pytest.mark.parametrize("typed", ["", "G", "8X", "-8G", "8 G B", "8GG", "1e9", "0", "8", "0G"])
def test_no_memory(typed: str) -> None:
    with pytest.raises(Invalid, match="like 512M or 8G"):
        names.memory(typed)


def test_dataset_names() -> None:
    assert names.dataset("mnist") == ("mnist", None)
    assert names.dataset("mnist@3") == ("mnist", 3)
    assert str(names.dataset("mnist@3")) == "mnist@3"


@pytest.mark.parametrize("typed", ["", "-x", "a" * 21, "mn ist", "mnist/1", "한글", "a\n", "."])
def test_what_is_no_dataset_name(typed: str) -> None:
    with pytest.raises(Invalid, match="no dataset name"):
        names.dataset(typed)


@pytest.mark.parametrize("typed", ["mnist@", "mnist@0", "mnist@x", "mnist@1@2", "mnist@-1"])
def test_what_is_no_revision(typed: str) -> None:
    with pytest.raises(Invalid, match="no revision"):
        names.dataset(typed)


def test_arguments_are_split_as_a_shell_would() -> None:
    assert names.arguments(['--lr 0.1 --name "a b"', "--x"]) == [
        "--lr",
        "0.1",
        "--name",
        "a b",
        "--x",
    ]

    with pytest.raises(Invalid, match="close the quotes"):
        names.arguments(['--name "a b'])


def test_variables() -> None:
    assert names.variables(["A=1", "B=", "C=x=y"]) == {"A": "1", "B": "", "C": "x=y"}

    for wrong in ("A", "=1", "1A=x", "A B=1"):
        with pytest.raises(Invalid, match="KEY=VALUE"):
            names.variables([wrong])


@pytest.mark.parametrize(
    ("typed", "seconds"), [("30s", 30), ("10m", 600), ("1h30m", 5400), ("2d", 172_800)]
)
def test_since_a_while_ago(typed: str, seconds: int) -> None:
    assert names.since(typed, NOON) == (int(NOON.timestamp()) - seconds) * 1_000_000


def test_since_before_there_were_dates() -> None:
    assert names.since("999999999999d", NOON) == 0


def test_since_a_moment() -> None:
    assert names.since("2026-11-20T11:00:00+00:00", NOON) == names.since("1h", NOON)

    for wrong in ("", "soon", "10", "10 m", "2026-13-01"):
        with pytest.raises(Invalid, match="is no time"):
            names.since(wrong, NOON)
