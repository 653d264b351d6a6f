"""What a session has used over time: samples of its runners, chosen at even distances."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from zstandard import ZstdDecompressor

from nsml_core.database import Pool
from nsml_protos.session_pb2 import Frame, SessionUsage
from nsml_session.slots import RANK_BITS

_SAMPLES = 500
_SAMPLES_MAX = 2_000
_FRAMES_MAX = 50_000
"""Of all ranks together: of a wide gang each tells fewer."""

# A chosen frame is the first of its stretch; the newest of each rank is always among them.
_CHOSEN = (
    "with told as (select attempt, number, data, number >> $3 as rank, "
    "row_number() over (partition by number >> $3 order by attempt, number) - 1 as at, "
    "count(*) over (partition by number >> $3) as among "
    "from session_frames.frame where name = $1 and has_usage), "
    "each as (select least($2, greatest($4 / count(distinct rank), 2)) as wanted from told) "
    "select attempt, rank, data from told, each "
    "where at = 0 or at = among - 1 or at * wanted / among > (at - 1) * wanted / among "
    "order by rank, attempt, number"
)


async def over_time(pool: Pool, name: str, samples: int) -> list[SessionUsage]:
    """Return what each rank used, oldest first."""
    wanted = min(samples or _SAMPLES, _SAMPLES_MAX)
    rows = await pool.fetch(_CHOSEN, name, wanted, RANK_BITS, _FRAMES_MAX)
    return await asyncio.to_thread(lambda: list(_samples(rows)))  # others are answered meanwhile


def _samples(rows: Sequence[Any]) -> Iterator[SessionUsage]:
    decompressor = ZstdDecompressor()  # one may not serve two threads
    for row in rows:
        for sample in Frame.FromString(decompressor.decompress(row["data"])).usage:
            yield SessionUsage(attempt=row["attempt"], rank=row["rank"], usage=sample)
