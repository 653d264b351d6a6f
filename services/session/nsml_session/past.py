"""The past: one session, or many, as they stood when an entry had happened or at a time."""

from contextlib import aclosing

from nsml_core.errors import NotFound
from nsml_core.past import check_begun, fold, history, moment, states_at, until
from nsml_core.times import iso
from nsml_core.views import View
from nsml_protos.session_pb2 import ListSessionsRequest, Parent, Session
from nsml_session import views
from nsml_session.frames import Frames
from nsml_session.state import LIVE, SESSION


async def at_entry(view: View, name: str, sequence: int) -> tuple[Session, Parent]:
    """Return a session when one of its entries had happened, and the name of that moment.

    Sequence 0 means now.
    """
    records = await history(view, [SESSION.subject(name)])
    wanted = sequence or records[-1].sequence
    kept = [record for record in records if record.sequence <= wanted]
    if not kept or kept[-1].sequence != wanted:
        raise NotFound(
            f"Event {sequence} is none of {name}'s: `nsml history {name}` shows those that are."
        )
    return fold(SESSION, kept), Parent(session=name, sequence=wanted)


async def at_time(view: View, name: str, time_us: int) -> Session:
    """Return a session as it stood at a time."""
    records = await history(view, [SESSION.subject(name)])
    kept = until(records, moment(time_us))
    if not kept:
        began = iso(records[0].decode().time)
        raise NotFound(
            f"{name} did not exist yet: it begins with event {records[0].sequence} at {began}."
        )
    return fold(SESSION, kept)


async def list_at_time(view: View, request: ListSessionsRequest, owner: str) -> list[Session]:
    """Return an owner's sessions as they stood at a time, newest first.

    What has been removed since is among them.
    """
    time = moment(request.at_us)
    await check_begun(view, time)
    found: list[Session] = []
    async with aclosing(views.known_at(view, request, owner, time)) as pages:
        async for known in pages:
            then = await states_at(view, SESSION, known, time)
            there = [then[name] for name in known if name in then and not then[name].removed]
            found += [one for one in there if request.all or one.status in LIVE]
            if request.limit and len(found) >= request.limit:
                break
    return found[: request.limit or None]


async def summaries_at_time(
    frames: Frames, then: list[Session], time_us: int
) -> dict[str, dict[str, float]]:
    """Return the summaries of sessions as they stood: of their frames, and of their checkpoints.

    A checkpoint's is what its attempt had reported until it was saved: older, but complete.
    """
    told = await frames.summaries_at([one.name for one in then], moment(time_us))
    return {
        one.name: {
            name: value
            for values in (*(saved.summary for saved in one.checkpoints), told.get(one.name, {}))
            for name, value in values.items()
        }
        for one in then
    }
