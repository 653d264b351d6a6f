"""`nsml metrics` and `nsml records`: on the screen, as JSON, and in files that others read."""

import csv
import json
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nsml_client.event_files import crc32c
from nsml_core.errors import NotFound
from nsml_protos import session_pb2 as pb
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

HOSTILE = "a*\x1b[2Jb"
VALUES = {"loss": [3.0, math.nan, 1.0], HOSTILE: [1e300, -math.inf, 0.1]}


def answer(request: pb.MetricsRequest) -> pb.MetricsReply:
    """What the service would say: one bucket, or every point."""
    reply = pb.MetricsReply()
    for name, values in VALUES.items():
        if request.series and name not in request.series and "*" not in request.series[0]:
            continue
        if request.buckets == 1:
            reply.series.add(
                name=name,
                steps=[2],
                times_us=[30],
                values=[values[-1]],
                mins=[min(values)],
                maxs=[max(values)],
                firsts=[values[0]],
                first_steps=[0],
                counts=[3],
            )
        else:
            reply.series.add(name=name, steps=[0, 1, 2], times_us=[10, 20, 30], values=values)
    return reply


@pytest.fixture
def metrics(peer: Peer) -> Peer:
    peer.answer("Sessions/Metrics", answer)
    return peer


def test_series_are_listed_with_their_extremes(metrics: Peer, nsml: Run) -> None:
    code, out, err = nsml("metrics", "mnist/1", "-k", "*")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        r"Series      Points  Last  Step   Min     Max",
        r"loss             3     1     2     1       3",
        r"a*\x1b[2Jb       3   0.1     2  -inf  1e+300",
    ]
    assert [list(asked.series) for asked in metrics.requests("Sessions/Metrics")] == [["*"]]


@pytest.mark.usefixtures("metrics")
def test_json_has_every_point(nsml: Run) -> None:
    code, out, _ = nsml("metrics", "mnist/1", "-j")

    assert code == 0
    first, second = json.loads(out)
    assert (first["session"], first["series"]) == ("ann/mnist/1", "loss")
    assert first["values"] == [3.0, None, 1.0]
    assert (second["series"], second["steps"], second["times_us"]) == (
        HOSTILE,
        [0, 1, 2],
        [10, 20, 30],
    )


@pytest.mark.usefixtures("metrics")
def test_csv_is_read_back(nsml: Run, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    assert nsml("metrics", "mnist/1", "--csv", str(file)).code == 0

    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["series"] for row in rows] == ["loss"] * 3 + [HOSTILE] * 3
    assert [float(row["value"]) for row in rows][2:] == [1.0, 1e300, -math.inf, 0.1]
    assert (rows[1]["session"], rows[1]["value"], rows[1]["time_us"]) == (
        "ann/mnist/1",
        "nan",
        "20",
    )


@pytest.mark.usefixtures("metrics")
def test_parquet_is_read_back(nsml: Run, tmp_path: Path) -> None:
    file = tmp_path / "points.parquet"
    assert nsml("metrics", "mnist/1", "--parquet", str(file)).code == 0

    parquet: Any = import_module("pyarrow.parquet")
    rows = parquet.read_table(file).to_pylist()
    assert [row["step"] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert rows[3]["series"] == HOSTILE
    assert rows[3]["value"] == 1e300


@pytest.mark.usefixtures("metrics")
def test_tensorboard_reads_event_files(nsml: Run, tmp_path: Path) -> None:
    assert nsml("metrics", "mnist/1", "--tensorboard", str(tmp_path)).code == 0

    reader: Any = import_module("tensorboard.backend.event_processing.event_file_loader")
    (file,) = (tmp_path / "ann-mnist-1").iterdir()
    version, *events = list(reader.EventFileLoader(str(file)).Load())
    read = [
        (event.step, event.wall_time, value.tag, float(value.tensor.float_val[0]))
        for event in events
        for value in event.summary.value
    ]
    assert version.file_version == "brain.Event:2"
    assert [one[:3] for one in read[:3]] == [(at, (at + 1) / 1e5, "loss") for at in range(3)]
    assert [str(one[3]) for one in read[:3]] == ["3.0", "nan", "1.0"]
    assert [one[3] for one in read[3:5]] == [math.inf, -math.inf]


def test_the_checksum_is_castagnolis() -> None:
    assert (crc32c(b"123456789"), crc32c(b"")) == (0xE3069283, 0)


def test_a_session_that_is_not_there(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Metrics", NotFound("There is no session ann/mnist/9."))

    code, out, err = nsml("metrics", "mnist/9")

    assert (code != 0, out) == (True, "")
    assert "There is no session ann/mnist/9." in err


def some_records(request: pb.RecordsRequest) -> list[pb.Record]:
    found = [
        pb.Record(
            kind=pb.IMAGE,
            name="../../etc/x",
            step=3,
            media_type="image/png",
            bytes=4,
            time_us=1_769_868_306_000_000,
        ),
        pb.Record(kind=pb.TEXT, name=HOSTILE, media_type="text/plain", bytes=5),
    ]
    if request.with_data:
        for record, data in zip(found, (b"\x89PNG", b"hello"), strict=True):
            record.data = data
    return found


def test_records_are_listed(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", pb.Session(name="ann/mnist/1", owner="ann"))
    peer.answer("Sessions/Records", some_records)

    code, out, err = nsml("records", "mnist/1", "-k", "*", "--newest", "2")
    listed = json.loads(nsml("records", "mnist/1", "-j").out)

    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["Name", "Kind", "Step", "Reported", "Size"],
        ["../../etc/x", "image", "3", "2026-01-31T14:05:06.000Z", "4", "B"],
        [r"a*\x1b[2Jb", "text", "1970-01-01T00:00:00.000Z", "5", "B"],
    ]
    assert [one["step"] for one in listed] == [3.0, None]
    (asked, _) = peer.requests("Sessions/Records")
    assert (list(asked.records), asked.newest, asked.with_data) == (["*"], 2, False)


def test_records_are_pulled_into_one_folder(peer: Peer, nsml: Run, tmp_path: Path) -> None:
    peer.answer("Sessions/Get", pb.Session(name="ann/mnist/1", owner="ann"))
    peer.answer("Sessions/Records", some_records)

    assert nsml("records", "mnist/1", "--pull", str(tmp_path / "here")).code == 0

    files = {file.name: file.read_bytes() for file in (tmp_path / "here").iterdir()}
    assert files == {".._.._etc_x_3_1.png": b"\x89PNG", "a___2Jb_-_2.txt": b"hello"}
