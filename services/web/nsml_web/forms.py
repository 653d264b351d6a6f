"""Forms that change something: done and led on, or the same page with what is wrong."""

from collections.abc import Awaitable
from typing import Protocol

from starlette.responses import Response

from nsml_core.errors import Error, Invalid
from nsml_web.faults import for_form
from nsml_web.visit import Visit

_CONFLICT = 409


class Show(Protocol):
    """A page with forms, and a sentence about the one that was sent."""

    async def __call__(self, visit: Visit, sentence: str = "", status: int = 200) -> Response: ...


async def tried(
    visit: Visit, work: Awaitable[object], show: Show, to: str, **query: str
) -> Response:
    """Do what a form asks, and lead on; what cannot be is said on the page of the form."""
    try:
        await work
    except Error as error:
        return await show(visit, for_form(error), _CONFLICT)
    return visit.to(to, **query)


def whole(visit: Visit, name: str, default: int = 0) -> int:
    """Return the number that was typed into a field; of an empty one the default.

    Raises:
        Invalid: It is none.
    """
    text = visit.field(name).strip()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if text and not digits.isdecimal():
        raise Invalid(f"{text[:50]!r} is no number: write one such as 8.")
    return sign * int(digits) if text else default


def flag(visit: Visit, name: str) -> bool | None:
    """Return what a field says: true, false, or nothing."""
    said = visit.field(name).lower()
    return None if not said else said in {"true", "on", "1"}
