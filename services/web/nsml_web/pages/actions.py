"""What can be done with a session: stop, resume, remove, note, ask."""

from starlette.responses import Response

from nsml_core.errors import Error
from nsml_protos import session_pb2
from nsml_web.faults import for_form
from nsml_web.pages.session import get, name
from nsml_web.visit import Visit


async def stop(visit: Visit) -> Response:
    """Ask a session's code to end."""
    one = visit.client.sessions.named(name(visit))
    await one.stop(visit.field("reason"))
    return visit.to(f"/sessions/{one.name}")


async def memo(visit: Visit) -> Response:
    """Change the word about a session."""
    one = visit.client.sessions.named(name(visit))
    await one.set_memo(visit.field("memo").strip())
    return visit.to(f"/sessions/{one.name}")


async def resuming(visit: Visit) -> Response:
    """Ask from which checkpoint a session is to go on."""
    one = await get(visit)
    return visit.page(
        "resume.html", one=one.info, tab="", points=one.checkpoints[::-1], sentence=""
    )


async def resume(visit: Visit) -> Response:
    """Run an ended session again."""
    one = await get(visit)
    point = visit.field("checkpoint")
    try:
        await one.resume(
            checkpoint="" if point == "-" else point,
            from_start=point == "-",
            key=visit.field("key"),
        )
    except Error as error:
        return visit.page(
            "resume.html",
            409,
            one=one.info,
            tab="",
            points=one.checkpoints[::-1],
            sentence=for_form(error),
        )
    return visit.to(f"/sessions/{one.name}")


async def removing(visit: Visit) -> Response:
    """Ask whether a session is really to be removed."""
    one = await get(visit)
    return visit.page("remove.html", one=one.info, tab="")


async def remove(visit: Visit) -> Response:
    """Remove a session, with its logs, code and models."""
    await visit.client.sessions.named(name(visit)).remove(force=True)
    return visit.to("/sessions")


async def terminal(visit: Visit) -> Response:
    """Show where Python is typed for the running process."""
    one = await get(visit)
    return visit.page("terminal.html", one=one.info, tab="terminal", code="", reply=None)


async def evaluate(visit: Visit) -> Response:
    """Evaluate Python in the running process."""
    one, code = await get(visit), visit.field("code")
    reply = await one.eval(code, now=bool(visit.field("now")), timeout=_SECONDS)
    told = session_pb2.Evaluation.Name(reply.evaluation).lower()
    return visit.page(
        "terminal.html", one=one.info, tab="terminal", code=code, reply=reply, told=told
    )


_SECONDS = 30.0
