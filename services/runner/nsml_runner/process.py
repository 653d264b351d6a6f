"""Runs one attempt in this process, and says by its exit code how that went."""

import asyncio
import logging
import os
import sys

from nsml_core import calls, clients, settings, telemetry
from nsml_core.blobs.disk import room_for
from nsml_core.errors import Exhausted, Superseded
from nsml_runner import node, outcomes, requirements
from nsml_runner.attempts import Attempts
from nsml_runner.runner import GivenUp, Runner
from nsml_runner.sdk_files import sdk_package
from nsml_runner.ticket import Ticket
from nsml_runner.workdir import Taken, WorkDir

REPORTED = 0
SUPERSEDED = 3
UNREPORTED = 4

log = logging.getLogger("nsml.runner")


def warm() -> None:
    """Find out beforehand what is the same for every attempt."""
    requirements.interpreter()
    sdk_package()


def run(ticket: Ticket) -> int:
    name = f"{ticket.session}#{ticket.attempt}" + (f".{ticket.rank}" if ticket.rank else "")
    logging.basicConfig(stream=sys.stderr, format=f"%(asctime)s {name} %(message)s")
    os.environ.update(ticket.env)
    config = settings.read()
    telemetry.setup("runner", config.otlp_endpoint, brief=True)
    try:
        return asyncio.run(serve(ticket, config))
    finally:
        telemetry.close()


async def serve(ticket: Ticket, config: settings.Settings) -> int:
    calls.enter(calls.Call(request_id=ticket.request_id, traceparent=ticket.traceparent))
    attributes: telemetry.Attributes = {
        "nsml.session.name": ticket.session,
        "nsml.session.attempt": ticket.attempt,
        "nsml.session.rank": ticket.rank,
    }
    with calls.step("run attempt", attributes):
        return await _run_attempt(ticket, config)


async def _run_attempt(ticket: Ticket, config: settings.Settings) -> int:
    code = REPORTED
    address = config.addresses["session"]
    async with clients.connect(address, ticket.token, config.tls, service="session") as channel:
        try:
            try:
                with room_for("what this session needs on its node"):
                    runner = Runner(ticket, config, node.read(config.home), channel)
            except Exhausted as full:
                WorkDir(ticket.work).remove()
                outcome = outcomes.never_ran(full.sentence)
                await Attempts(channel, ticket.ref).end(outcome, stopped=False)
            else:
                await runner.run()
        except* (Superseded, Taken) as refusals:
            log.warning("This attempt does not go on: %s", refusals.exceptions[0])
            code = SUPERSEDED
        except* GivenUp:
            log.warning("The node was shut down before the end of this attempt could be told.")
            code = UNREPORTED
    return code
