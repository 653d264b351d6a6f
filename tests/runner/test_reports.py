"""What training code reports without end or measure is bounded, and that is said."""

import json

from nsml_protos import session_pb2
from tests.runner.conftest import Platform
from tests.runner.test_sdk import points


async def test_series_without_end_are_bounded_and_that_is_said(platform: Platform) -> None:
    told = await platform.run(
        "import nsml\n"
        "for first in range(0, 15_000, 500):\n"
        "    nsml.report(step=1, **{f's{first + number}': 1 for number in range(500)})\n"
        "nsml.report(step=1, s0=2)"
    )

    found = points(told)
    assert len(found) == 10_000
    assert found["s0"] == [(1, 1), (1, 2)]
    said = told.output(session_pb2.PLATFORM).decode()
    counts = [int(line.split()[0]) for line in said.splitlines() if "first 10000 series" in line]
    assert sum(counts) == 5_000


async def test_records_arrive_with_their_media_types(platform: Platform) -> None:
    told = await platform.run(
        "import nsml\n"
        "nsml.text('said', 'hello', step=3)\n"
        "nsml.table('rows', [{'a': 1, 'b': float('nan')}, {'a': 'x'}])\n"
        "nsml.histogram('weights', [0.0, 1.0, 1.0, float('nan')], bins=2)\n"
        "nsml.image('dot', b'\\x89PNG fake')\n"
        "nsml.image('huge', b'\\x89PNG' + bytes(3_000_000))"
    )
    records = [record for frame in told.frames for record in frame.records]

    assert [(one.kind, one.name, one.media_type) for one in records] == [
        (session_pb2.TEXT, "said", "text/plain"),
        (session_pb2.TABLE, "rows", "application/json"),
        (session_pb2.HISTOGRAM, "weights", "application/json"),
        (session_pb2.IMAGE, "dot", "image/png"),
    ]
    assert (records[0].data, records[0].step, records[0].time_us > 0) == (b"hello", 3, True)
    assert not records[1].HasField("step")
    assert json.loads(records[2].data)["counts"] == [1, 2]
    assert b"huge" in told.output(session_pb2.STDERR)
