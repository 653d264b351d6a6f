"""Credit: what is left, and each change of it with its evidence."""

import asyncio

from starlette.responses import Response

from nsml_web.visit import Visit

_LINES = 200


async def show(visit: Visit) -> Response:
    """Show a person's book, and its statement."""
    by_attempt = visit.query("each") != "entry"
    book, lines = await asyncio.gather(
        visit.client.credit.balance(visit.query("owner")),
        visit.client.credit.history(visit.query("owner"), limit=_LINES, by_attempt=by_attempt),
    )
    return visit.page("credit.html", book=book, lines=lines, by_attempt=by_attempt)
