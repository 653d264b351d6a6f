"""Forking a session: a form with what the old one was given."""

import shlex

from starlette.responses import Response

from nsml_core.errors import Error, Invalid
from nsml_protos.session_pb2 import Session
from nsml_web import acting, look
from nsml_web.faults import for_form
from nsml_web.pages.session import get
from nsml_web.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form, filled with what the session was given at an event of its past, or now."""
    one = (await get(visit)).info
    return await _form(visit, one, _asked(one), "")


async def fork(visit: Visit) -> Response:
    """Make the fork that the form says."""
    old = await get(visit)
    typed = {name: visit.field(name) for name in _asked(old.info)}
    try:
        made = (
            await acting.client(visit)
            .sessions.named(old.name)
            .fork(
                at=visit.number("at"),
                checkpoint=typed["checkpoint"],
                entry=typed["entry"],
                args=typed["args"],
                gpus=_count(typed["gpus"], "GPUs"),
                cpus=_count(typed["cpus"], "CPUs"),
                memory=typed["memory"] or None,
                memo=typed["memo"],
                new_environment=bool(visit.field("new_environment")),
                key=visit.field("key"),
            )
        )
    except Error as error:
        return await _form(visit, old.info, typed, for_form(error))
    return visit.to(f"/sessions/{made.name}")


async def _form(visit: Visit, one: Session, asked: dict[str, str], sentence: str) -> Response:
    return visit.page(
        "fork.html",
        409 if sentence else 200,
        one=one,
        tab="",
        asked=asked,
        sentence=sentence,
        **await acting.choice(visit),
    )


def _asked(one: Session) -> dict[str, str]:
    spec = one.spec
    return {
        "entry": spec.entry,
        "args": shlex.join(spec.args),
        "gpus": str(spec.resources.gpus),
        "cpus": str(spec.resources.cpus),
        "memory": look.short_size(spec.resources.memory_bytes),
        "checkpoint": "",
        "memo": one.memo,
    }


def _count(text: str, what: str) -> int | None:
    if text and not text.isdecimal():
        raise Invalid(f"{text!r} is no number of {what}.")
    return int(text) if text else None
