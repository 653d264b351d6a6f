"""People at their terminals: they ask, ask again with the same key, and note what they heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from nsml_core.caller import Caller
from nsml_core.calls import Call, enter
from nsml_core.clients import ask
from nsml_core.errors import Error, Unavailable
from nsml_protos import session_pb2 as pb
from nsml_protos.dataset_pb2 import DatasetRef, PushRequest
from nsml_protos.dataset_pb2_grpc import DatasetsStub
from nsml_protos.ledger_pb2 import GrantRequest
from nsml_protos.ledger_pb2_grpc import LedgerStub
from nsml_protos.scheduler_pb2 import NodeRequest, Quota
from nsml_protos.scheduler_pb2_grpc import SchedulerStub
from nsml_protos.session_pb2_grpc import SessionsStub
from nsml_session.state import SESSION
from tests.faults.history import Command, Kind, Outcome
from tests.simulation.loop import Process
from tests.simulation.steps import Step
from tests.simulation.world import CPUS, GPUS, world

_TRIES = 6
_AGAIN_SECONDS = 40.0
_CLOSED_SECONDS = 20.0

_WITHOUT_KEY = (Kind.STOP, Kind.MEMO, Kind.PUSH, Kind.FORGET)
"""These say how it is to be: asked again, it is so again, whatever others said in between."""


class Person:
    """One command of one person."""

    def __init__(self, number: int, step: Step) -> None:
        network = world().network
        self._name = f"{step.who}-{number}"
        self._step = step
        caller = Caller("user", step.who)
        root = Caller("user", "root", admin=True)
        self._sessions: Any = SessionsStub(network.channel("session", caller))
        self._datasets: Any = DatasetsStub(network.channel("dataset", caller))
        self._ledger: Any = LedgerStub(network.channel("ledger", root))
        self._scheduler: Any = SchedulerStub(network.channel("scheduler", root))
        self._key = f"key-{number}"
        self._is_asked_again = step.pick % 6 == 0
        self._is_doubled = self._is_asked_again or world().chance.odds.twice > 0
        """What arrives twice may be refused first, and be taken when it comes again."""

    def begin(self) -> None:
        """Ask; one in six asks once more a while later, as a program does that was broken off."""
        self._start()
        if self._is_asked_again:
            world().asking += 1
            world().loop.call_later(_AGAIN_SECONDS * self._step.value, self._start_again)

    def _start_again(self) -> None:
        world().asking -= 1
        self._start()

    def _start(self) -> None:
        Process(f"user:{self._name}").start(world().loop, self._live())

    async def _live(self) -> None:
        world().asking += 1
        await getattr(self, f"_{self._step.kind}")()
        world().asking -= 1

    async def _run(self) -> None:
        value, pick = self._step.value, self._step.pick
        request = pb.RunRequest(
            datasets=[self._step.word] if self._step.word else [],
            code_tree="c" * 64,
            entry="main.py",
            resources=pb.Resources(
                gpus=pick % (GPUS + 1),
                cpus=1 + pick % CPUS,
                nodes=len(world().nodes) if len(world().nodes) > 1 and pick % 5 < 3 else 0,
            ),
            key=self._key,
            seed=1 + int(value * 1000),
            restarts=pick // 10 % 3,
            priority=(pb.NORMAL, pb.LOW)[pick % 2],
            preemptible=pick % 3 == 0,
            after=[self._target] if pick % 7 == 0 and self._target else [],
        )
        await self._ask(Kind.RUN, "", lambda: self._sessions.Run(request), _name_of)

    async def _fork(self) -> None:
        if parent := self._target:
            request = pb.ForkRequest(session=parent, key=self._key, sequence=self._moment)
            await self._ask(Kind.FORK, parent, lambda: self._sessions.Fork(request), _name_of)

    async def _resume(self) -> None:
        if name := self._target:
            from_start = self._step.word == "from-start"
            request = pb.ResumeRequest(name=name, key=self._key, from_start=from_start)
            await self._ask(Kind.RESUME, name, lambda: self._sessions.Resume(request))

    async def _stop(self) -> None:
        if name := self._target:
            request = pb.StopRequest(name=name, reason=self._key)
            await self._ask(
                Kind.STOP, name, lambda: self._sessions.Stop(request), lambda one: one.stop_reason
            )

    async def _memo(self) -> None:
        if name := self._target:
            request = pb.SetMemoRequest(name=name, memo=self._key)
            await self._ask(Kind.MEMO, name, lambda: self._sessions.SetMemo(request))

    async def _forget(self) -> None:
        name, chosen = self._target, self._checkpoint
        asked_by = world().forgotten.setdefault((name, chosen), self._key)
        if chosen and asked_by == self._key:  # two that ask at once: one of them finds it done
            request = pb.RemoveCheckpointRequest(name=name, checkpoint=chosen)
            await self._ask(Kind.FORGET, name, lambda: self._sessions.RemoveCheckpoint(request))

    async def _remove(self) -> None:
        if name := self._target:
            request = pb.RemoveSessionRequest(name=name, force=self._step.word == "force")
            await self._heard(lambda: self._sessions.Remove(request))

    async def _push(self) -> None:
        name = self._step.word
        request = PushRequest(name=name, tree=self._key, message=self._key)
        await self._ask(Kind.PUSH, name, lambda: self._datasets.Push(request))

    async def _unname(self) -> None:
        request = DatasetRef(name=self._step.word)
        await self._heard(lambda: self._datasets.Remove(request))

    async def _grant(self) -> None:
        who = self._step.who
        amount = 1_000 * (1 + self._step.pick)
        request = GrantRequest(owner=who, amount=amount, reason="", key=self._key)
        await self._ask(Kind.GRANT, who, lambda: self._ledger.Grant(request))

    async def _drain(self) -> None:
        """Empty the node, and open it again after a while."""
        request = NodeRequest(name="node", at_once=self._step.word == "now")
        await self._heard(lambda: self._scheduler.Drain(request))
        await asyncio.sleep(_CLOSED_SECONDS * self._step.value)
        while (await self._heard(lambda: self._scheduler.Uncordon(request)))[1] is None:
            await asyncio.sleep(1.0)

    async def _limit(self) -> None:
        gpus = GPUS * len(world().nodes)
        quota = Quota(owner=self._step.who, gpus=gpus, sessions=1 + self._step.pick % 3)
        await self._heard(lambda: self._scheduler.SetQuota(quota))

    async def _ask(
        self,
        kind: Kind,
        target: str,
        call: Callable[[], Awaitable[Any]],
        reply: Callable[[Any], str] = lambda _: "",
    ) -> None:
        """Ask until there is an answer, and note it."""
        outcome, answer, asked = await self._heard(call)
        if kind in _WITHOUT_KEY and (asked > 1 or self._is_doubled):
            return
        said = reply(answer) if outcome is Outcome.ACKNOWLEDGED else ""
        note = Command(self._name, kind, self._key, target, outcome, said)
        world().commands.append(note)

    async def _heard(self, call: Callable[[], Awaitable[Any]]) -> tuple[Outcome, Any, int]:
        """Return what was answered, and how often it was asked."""
        enter(Call(request_id=self._key))
        for number in range(1, _TRIES + 1):
            try:
                return Outcome.ACKNOWLEDGED, await ask(call()), number
            except Unavailable:
                await asyncio.sleep(0.5 * 2**number)
            except Error:
                is_sure = number == 1 and not self._is_doubled and not world().has_echoes
                return Outcome.REFUSED if is_sure else Outcome.UNKNOWN, None, number
        return Outcome.UNKNOWN, None, _TRIES

    @cached_property
    def _target(self) -> str:
        """Some session of this person's, as they remember it; none while there is none."""
        stem = f"nsml.session.{self._step.who}."
        names = [one for one in world().stream.subjects if one.startswith(stem)]
        return SESSION.key(names[self._step.pick % len(names)]) if names else ""

    @cached_property
    def _moment(self) -> int:
        """One of the target's entries, or that it is to be as it stands."""
        entries = world().stream.subjects[SESSION.subject(self._target)]
        return 0 if self._step.value < 0.5 else entries[self._step.pick % len(entries)].sequence

    @cached_property
    def _checkpoint(self) -> str:
        """One of the target's checkpoints, if it has any."""
        entries = world().stream.subjects[SESSION.subject(self._target)] if self._target else []
        events = ((event, entry.time) for entry in entries for event in entry.events)
        saved = [one.name for one in SESSION.fold(pb.Session(), events).checkpoints]
        return saved[self._step.pick % len(saved)] if saved else ""


def _name_of(reply: pb.RunReply) -> str:
    return reply.session.name
