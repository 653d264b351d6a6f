"""What evaluations printed that gave no score: for the boards' owners, and in no event.

It may be made of what nobody may see, so that it is in a table of its own, which forgets.
"""

from collections.abc import Sequence

from nsml_core.database import Pool, make_tables

KEPT = 200
"""Of one board, the newest."""

TEXT_MAX = 20_000

_TABLE = (
    "create table if not exists dataset_failures.evaluation (board text, id text, "
    "printed text not null, time timestamptz not null default now(), primary key (board, id))"
)
_FORGET = (
    "delete from dataset_failures.evaluation where board = $1 and id in (select id from "
    "dataset_failures.evaluation where board = $1 order by time desc, id offset $2)"
)


class Failures:
    """The table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self) -> None:
        """Make it if it is not there."""
        await make_tables(self._pool, "dataset_failures", _TABLE)

    async def keep(self, board: str, submission: str, printed: str) -> None:
        """Keep what was printed for a submission; told again, it is the same."""
        text = printed[-TEXT_MAX:].replace("\0", "")  # PostgreSQL keeps no such character
        await self._pool.execute(
            "insert into dataset_failures.evaluation (board, id, printed) values ($1, $2, $3) "
            "on conflict (board, id) do update set printed = $3",
            board,
            submission,
            text,
        )
        await self._pool.execute(_FORGET, board, KEPT)

    async def printed(self, board: str, submissions: Sequence[str]) -> dict[str, str]:
        """Return what was printed, by submission; of whichever is known."""
        rows = await self._pool.fetch(
            "select id, printed from dataset_failures.evaluation where board = $1 and id = any($2)",
            board,
            list(submissions),
        )
        return {row["id"]: row["printed"] for row in rows}
