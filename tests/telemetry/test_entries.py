"""An entry of the log carries the request and the trace that it came from, and hands both on."""

from dataclasses import replace

from nsml_core import calls, telemetry
from nsml_core.caller import Caller
from nsml_core.log import Log
from nsml_core.store import Store
from tests.core.examples import PEOPLE, context, registers
from tests.telemetry.receiver import Receiver

REQUEST = "4711"
TRACE = "a" * 32
GIVEN = f"00-{TRACE}-{'b' * 16}-01"


async def appended(the_log: Log) -> tuple[telemetry.Message, dict[str, str]]:
    """Append an entry; return what it says of itself, and what its message's headers say."""
    asked = replace(context(), request_id=REQUEST, traceparent=GIVEN)
    await Store(the_log, PEOPLE).decide("ann", asked, registers("ann"))
    subject = PEOPLE.subject("ann")
    _, headers = await the_log._last(subject) or (None, {})
    return (await the_log.read(subject))[0].decode().message, dict(headers)


async def test_an_entry_and_its_headers_say_the_same(the_log: Log) -> None:
    message, headers = await appended(the_log)

    assert (message.request_id, message.traceparent) == (REQUEST, GIVEN)
    assert (headers["x-request-id"], headers["traceparent"]) == (REQUEST, GIVEN)


async def test_a_reaction_lies_below_the_append(the_log: Log, sending: Receiver) -> None:
    message, headers = await appended(the_log)
    with calls.reaction("greet", Caller("service", "test"), message) as call:
        assert calls.current() is call
    telemetry.close()
    append, greet = (span for _, span in sending.spans)

    assert headers["traceparent"] == message.traceparent
    assert message.traceparent.startswith(f"00-{TRACE}-{append.span_id.hex()}-")
    assert (append.name, append.parent_span_id.hex()) == ("append nsml.identity.>", "b" * 16)
    assert (greet.name, greet.parent_span_id) == ("greet nsml.identity.>", append.span_id)
    assert call.request_id == REQUEST


async def test_a_step_hands_on_how_far_the_log_was_written(the_log: Log) -> None:
    call = calls.Call()
    calls.enter(call)
    with calls.step("part of it"):
        await appended(the_log)

    assert call.position == 1
