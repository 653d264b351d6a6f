"""Values as people read them."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_cli import text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KB"),
        (119_521, "116.72 KB"),
        (628_534_968, "599.42 MB"),
        (1 << 62, "4096.00 PB"),
    ],
)
def test_sizes(number: int, shown: str) -> None:
    assert text.size(number) == shown


def test_one_is_not_several() -> None:
    assert [text.counted(number, "file") for number in (0, 1, 1797)] == [
        *("0 files", "1 file", "1,797 files")
    ]


def test_credits() -> None:
    assert text.credits_of(7_407_000) == "123.45"
    assert text.credits_of(-60_000, sign="+") == "-1.00"
    assert text.credits_of(60_000, sign="+") == "+1.00"
    assert text.whole_credits(599_999_907) == "9999.99"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0ms"),
        (0.025, "25ms"),
        (1.26, "1.3s"),
        (42.4, "42s"),
        (185, "3m 05s"),
        (7_620, "2h 07m"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_times_are_exact_where_a_program_reads_along() -> None:
    assert text.when(Timestamp(seconds=1_800_000_000)) == "2027-01-15T08:00:00.000Z"
    assert text.when(Timestamp()) == ""
    assert text.iso(Timestamp()) is None


def test_wide_letters_fill_two_columns() -> None:
    assert text.cell_width("abc") == 3
    assert text.cell_width("한글") == 4
    assert text.cell_width("e\u0301") == 1


def test_summary() -> None:
    assert text.summary({"loss": 0.123456789, "epoch": 3.0}) == "epoch=3, loss=0.123457"
