"""The simulated nodes: they start runners, which speak to the platform by the product's own client.

User code is a script drawn from the history's seed: it prepares, runs, saves checkpoints, ends.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nsml_core.caller import Caller
from nsml_core.errors import Superseded
from nsml_protos.scheduler_pb2 import Node, NodeJoined
from nsml_protos.session_pb2 import (
    Assignment,
    AttemptRef,
    Checkpoint,
    Frame,
    MemberReady,
    Outcome,
    StopOrder,
    Usage,
)
from nsml_runner.attempts import Attempts
from nsml_runner.link import Link
from nsml_runner.spool import Spool
from nsml_scheduler.engines.engine import Claim, Ticket
from tests.simulation.clock import now
from tests.simulation.loop import Process
from tests.simulation.world import world

_SHORTEST, _LONGEST = 1.0, 30.0
_SAMPLE_SECONDS = 3.0


@dataclass
class Runner:
    """One runner on the node, alive or not, and whether user code of its attempt runs."""

    claim: Claim
    process: Process
    running: bool = False
    devices: Collection[str] = ()
    left: bool = False
    """It came to its end and cleared its folder."""

    saved: list[str] = field(default_factory=list)


class Engine:
    """Keeps the promises of the scheduler's engines, on simulated nodes."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self.runners: dict[Claim, Runner] = {}
        self.silent: set[str] = set()
        """The nodes that do not renew their leases."""

    def nodes(self, known: Sequence[Node]) -> list[NodeJoined]:
        """Be the nodes of this world, which join again after each restart of the scheduler."""
        joining = []
        for node in world().nodes:
            joined = NodeJoined()
            joined.CopyFrom(node)
            joined.identity = known[0].identity if known else "identity"
            joining.append(joined)
        return joining

    async def joining(self, known: Sequence[Node]) -> list[NodeJoined]:
        return []

    async def tidy(self, held: Collection[Claim]) -> None:
        """Nothing is left."""

    async def warm(self) -> None:
        """It is ready at once."""

    async def close(self) -> None:
        """Runners go on."""

    async def start(self, ticket: Ticket) -> None:
        here = world()
        await asyncio.sleep(here.chance.trip())
        claim = ticket.claim
        known = self.runners.get(claim)
        if known is not None and not known.left:
            return
        rank = f".{claim.rank}" if claim.rank else ""
        process = Process(f"runner:{claim.session}#{claim.attempt}{rank}")
        self.runners[claim] = runner = Runner(claim, process)
        seed = f"{self._seed}/{claim.session}/{claim.attempt}{rank}"
        script = random.Random(seed)  # noqa: S311
        process.start(here.loop, Life(runner, script).live())

    async def gone(self, claims: Collection[Claim]) -> set[Claim]:
        await asyncio.sleep(world().chance.trip())
        return {claim for claim in claims if self._is_over(self.runners.get(claim))}

    async def heard(self, nodes: Collection[str]) -> set[str]:
        await asyncio.sleep(world().chance.trip())
        return set(nodes) - self.silent

    def was_claimed(self, claim: Claim) -> bool:
        runner = self.runners.get(claim)
        return runner is not None and not runner.left

    def _is_over(self, runner: Runner | None) -> bool:
        if runner is None:
            return True
        if not runner.process.dead and not runner.left:
            return False
        if runner.running:  # user code that lost its runner
            runner.running = False
            return False
        return True

    def crash(self, runner: Runner) -> None:
        """Kill a runner; what its user code does goes on until somebody looks."""
        running = runner.running
        runner.process.kill()
        runner.running = running


class Life:
    """What one runner does, from its first word to its last."""

    def __init__(self, runner: Runner, script: random.Random) -> None:
        self._runner = runner
        self._script = script
        claim = runner.claim
        caller = Caller("runner", claim.session, claim.attempt, rank=claim.rank)
        channel = world().network.channel("session", caller)
        ref = AttemptRef(name=claim.session, attempt=claim.attempt, rank=claim.rank)
        self._attempts = Attempts(channel, ref)
        self._spool = Spool(Path("nowhere"))
        self._link = Link(cast("Any", self._attempts.link), self._spool)
        self._ref = ref
        rests = _LONGEST * 2 * script.random()
        self._rest = (rests, rests + _LONGEST * script.random())
        """In seconds of its code: between these it does nothing."""

    async def live(self) -> None:
        try:
            assignment = await self._attempts.begin()
            async with asyncio.TaskGroup() as beside:
                listening = beside.create_task(self._link.run())
                telling = beside.create_task(self._tell(assignment))
                await self._run(assignment)
                listening.cancel()
                telling.cancel()
        except* Superseded:
            pass  # it is not wanted any more
        if not self._runner.process.dead:
            self._runner.running = False
            self._runner.left = True

    async def _run(self, assignment: Assignment) -> None:
        if assignment.session.stop_reason:
            self._link.stop.set_result(StopOrder(reason=assignment.session.stop_reason))
        draw = self._script.random
        if await self._stopped_within(4 * draw() ** 3) or draw() < 0.05:
            outcome = Outcome(message="It never came to start.")
        elif await self._begin(assignment):
            self._occupy(assignment)
            outcome = await self._user_code()
        else:
            outcome = Outcome(message="It was stopped before all were ready.")
        self._runner.running = False
        await self._spool.wait_empty()
        await self._attempts.end(outcome, stopped=self._link.stop.done())

    async def _begin(self, assignment: Assignment) -> bool:
        """Return whether its code may start: of a gang, once all are ready."""
        if assignment.session.spec.resources.nodes < 2:
            await self._attempts.start("environment", (), "3.11")
            return True
        return await self._meet()

    async def _meet(self) -> bool:
        rank = self._runner.claim.rank
        ready = MemberReady(address=f"10.0.0.{rank}", ports=[1, 2], environment="e", python="3.11")
        while not self._link.stop.done():
            meeting = asyncio.ensure_future(self._attempts.meet(ready))
            either: set[asyncio.Future[Any]] = {meeting, self._link.stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if meeting.done() and meeting.result().all:
                return True
            meeting.cancel()
        return False

    async def _tell(self, assignment: Assignment) -> None:
        """Say again and again how busy it is."""
        has, ran = assignment.session.spec.resources, 0.0
        for number in itertools.count(1):
            await asyncio.sleep(_SAMPLE_SECONDS)
            ran += _SAMPLE_SECONDS * self._runner.running
            share = 0.0 if self._rest[0] < ran < self._rest[1] else 1.0
            sample = Usage(
                time_us=int(now().timestamp() * 1_000_000),
                cpu_cores=share * has.cpus,
                gpu_utilization=[share] * has.gpus,
            )
            frame = Frame(ref=self._ref, number=number, usage=[sample])
            self._spool.append(frame.SerializeToString())

    def _occupy(self, assignment: Assignment) -> None:
        self._runner.running = True
        self._runner.devices = list(assignment.session.attempts[-1].devices)
        here = self._runner.claim.node
        for other in world().engine.runners.values():
            if other is not self._runner and other.running and other.claim.node == here:
                shared = set(other.devices) & set(self._runner.devices)
                if shared:
                    world().violations.append(
                        f"devices: on {shared} user code of {other.claim} and "
                        f"{self._runner.claim} runs at once"
                    )

    async def _user_code(self) -> Outcome:
        draw = self._script.random
        left = _SHORTEST + (_LONGEST - _SHORTEST) * draw() ** 3
        number = 0
        while left > 0 and self._runner.claim.rank == 0 and draw() < 0.6:
            pause = left * draw()
            left -= pause
            if await self._stopped_within(pause):
                return Outcome(signal=15)
            number += 1
            await self._save(f"{self._script.randrange(4)}", number)
        if await self._stopped_within(left):
            return Outcome(signal=15)
        if draw() < 0.3:
            return Outcome(exit_code=1, message="It ended with exit code 1.")
        return Outcome(exit_code=0)

    async def _save(self, name: str, number: int) -> None:
        tree = f"{self._runner.claim.session}/{self._runner.claim.attempt}/{number}"
        await self._attempts.save_checkpoint(Checkpoint(number=number, name=name, tree=tree))
        self._runner.saved.append(tree)

    async def _stopped_within(self, seconds: float) -> bool:
        """Tell whether an order to stop came in this time."""
        await asyncio.wait({self._link.stop}, timeout=seconds)
        return self._link.stop.done()
