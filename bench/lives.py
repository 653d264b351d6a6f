"""What the log of a used platform holds: lives of sessions, interleaved, always the same ones."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.entry import Context
from nsml_protos import dataset_pb2 as ds
from nsml_protos import ledger_pb2 as ledger
from nsml_protos import session_pb2 as pb
from nsml_protos.identity_pb2 import Registered

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
USER = "ann"
LONG = f"{USER}/long/1"
"""A session with a thousand events, in the midst of all others."""

_OWNERS = (USER, *(f"user{number}" for number in range(1, 20)))
_DATASETS = tuple(f"set{number}" for number in range(60))
_PACKAGES = [f"package-{number}=={number}.{number % 7}.0" for number in range(12)]
_LIVE = 64
_LONG_EVENTS = 1000
_TICK = timedelta(seconds=8)
_PUSH_EVERY = 2000
_ENDINGS: tuple[type[Message], ...] = (pb.Completed, pb.Failed, pb.Stopped, pb.Lost)
_OFTEN = (75, 13, 10, 2)
_RATE = 1000  # one GPU's, in GPU-milliseconds a second

Fact = tuple[str, str, list[Message]]
"""The subject, who decided, and the events of one entry."""


@dataclass
class World:
    """What all lives share: the dice, the clock, and which numbers are taken."""

    dice: random.Random
    now: datetime = BEGAN
    numbers: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def happens(self, part: float) -> bool:
        """Throw the dice for what happens in so many cases."""
        return self.dice.random() < part

    def tree(self) -> str:
        return f"{self.dice.getrandbits(256):064x}"

    def stamp(self) -> Timestamp:
        found = Timestamp()
        found.FromDatetime(self.now)
        return found

    def context(self, actor: str) -> Context:
        names = [f"{self.dice.getrandbits(128):032x}" for _ in range(2)]
        return Context(names[0], self.now, actor, names[1])

    def name(self) -> tuple[str, str, int]:
        """Choose the name of a new session; half of all are one user's."""
        owner = USER if self.happens(0.5) else self.dice.choice(_OWNERS)
        dataset = self.dice.choice(_DATASETS)
        self.numbers[owner, dataset] += 1
        return owner, dataset, self.numbers[owner, dataset]


def entries(events: int, seed: int = 0) -> Iterator[tuple[str, Context, list[Message]]]:
    """Yield entries with a few more than so many events; all sessions have come to their end."""
    world = World(random.Random(seed))  # noqa: S311 - to be repeated, not to be secret
    for subject, actor, happened in _facts(world, events):
        world.now += _TICK
        yield subject, world.context(actor), happened


def _facts(world: World, events: int) -> Iterator[Fact]:
    yield from _beginnings(world)
    live: list[Iterator[Fact]] = [_long_life(world)]
    told = facts = 0
    while live:
        while len(live) < _LIVE and told < events:
            live.append(_life(world, *world.name()))
        at = world.dice.randrange(len(live))
        fact = next(live[at], None)
        if fact is None:
            live.pop(at)
            continue
        yield fact
        told, facts = told + len(fact[2]), facts + 1
        if facts % _PUSH_EVERY == 0:
            yield _pushed(world, facts // _PUSH_EVERY)


def _beginnings(world: World) -> Iterator[Fact]:
    for owner in _OWNERS:
        person = Registered(name=owner, admin=owner == USER)
        yield f"nsml.identity.{owner}", "service:identity", [person]
        amount = 10**15
        granted = ledger.Granted(
            owner=owner,
            amount=amount,
            key="opening",
            postings=_transfer("grants", f"{owner}:available", amount),
        )
        yield f"nsml.ledger.{owner}", "service:ledger", [granted]
    for name in _DATASETS:
        created = ds.Created(name=name, owner=USER)
        yield f"nsml.dataset.{name}", f"user:{USER}", [created, _revision(world, 1)]


def _pushed(world: World, number: int) -> Fact:
    name = _DATASETS[number % len(_DATASETS)]
    revision = _revision(world, 2 + number // len(_DATASETS))
    return f"nsml.dataset.{name}", f"user:{USER}", [revision]


def _revision(world: World, number: int) -> ds.Pushed:
    revision = ds.Revision(number=number, tree=world.tree(), files=20_000, bytes=10**9)
    revision.pushed_by = USER
    return ds.Pushed(revision=revision)


def _life(world: World, owner: str, dataset: str, number: int) -> Iterator[Fact]:
    """Yield what happens to one session, its credit included, from its request to its end."""
    name = f"{owner}/{dataset}/{number}"
    subject = f"nsml.session.{owner}.{dataset}.{number}"
    yield subject, f"user:{owner}", [_requested(world, name, owner, dataset)]
    attempt = 1
    yield from _attempt(world, subject, name, attempt)
    while world.happens(0.05):
        resources = pb.Resources(gpus=1, cpus=4)
        resumed = pb.Resumed(name=name, owner=owner, resources=resources, attempt=attempt)
        yield subject, f"user:{owner}", [resumed]
        attempt += 1
        yield from _attempt(world, subject, name, attempt)
    if world.happens(0.1):
        yield subject, f"user:{owner}", [pb.MemoChanged(memo="the one to keep")]
    if world.happens(0.03):
        yield subject, f"user:{owner}", [pb.Removed()]


def _attempt(world: World, subject: str, name: str, attempt: int) -> Iterator[Fact]:
    owner, _, _ = name.split("/")
    book = f"nsml.ledger.{owner}"
    if world.happens(0.1):
        yield subject, "service:scheduler", [pb.Waiting(reason="needs 1 GPU, 0 free")]
    hold = _held(owner, name, attempt)
    set_aside = hold.amount
    yield book, "service:scheduler", [hold]
    placed = pb.Placed(attempt=attempt, node="node1", devices=[str(attempt % 8)])
    yield subject, "service:scheduler", [placed]
    runner = f"runner:{name}#{attempt}"
    yield subject, runner, [_started(attempt)]
    started = world.stamp()
    for step in range(world.dice.randrange(7)):
        yield subject, runner, [_saved(world, attempt, f"{attempt}-{step}", step)]
        if world.happens(0.2):
            hold = _held(owner, name, attempt)
            set_aside += hold.amount
            yield book, "service:ledger", [hold]
    yield from _ending(world, subject, runner, attempt)
    yield book, "service:ledger", _settled(world, name, attempt, started, set_aside)


def _requested(world: World, name: str, owner: str, dataset: str) -> pb.Requested:
    return pb.Requested(
        name=name,
        owner=owner,
        memo="a try",
        request_key=f"{world.dice.getrandbits(128):032x}",
        spec=pb.Spec(
            datasets=[pb.Mount(dataset=dataset, revision=1, tree=world.tree(), bytes=10**9)],
            code_tree=world.tree(),
            code_bytes=158_000,
            entry="main.py",
            args=["--lr", f"{world.dice.random():.4f}", "--epochs", "20"],
            resources=pb.Resources(gpus=1, cpus=4, memory_bytes=8 << 30),
            seed=world.dice.getrandbits(32),
        ),
    )


def _started(attempt: int) -> pb.Started:
    return pb.Started(attempt=attempt, environment="e" * 64, packages=_PACKAGES, python="3.11")


def _saved(world: World, attempt: int, name: str, step: int) -> pb.CheckpointSaved:
    return pb.CheckpointSaved(
        checkpoint=pb.Checkpoint(
            name=name,
            attempt=attempt,
            tree=world.tree(),
            files=3,
            bytes=10**8,
            step=step,
            summary={"loss": world.dice.random()},
        )
    )


def _ending(world: World, subject: str, runner: str, attempt: int) -> Iterator[Fact]:
    (how,) = world.dice.choices(_ENDINGS, weights=_OFTEN)
    if how is pb.Completed:
        yield subject, runner, [pb.Completed(attempt=attempt, outcome=pb.Outcome(exit_code=0))]
    elif how is pb.Failed:
        yield subject, runner, [pb.Failed(attempt=attempt, outcome=pb.Outcome(exit_code=1))]
    elif how is pb.Stopped:
        reason, actor = "stopped by its owner", f"user:{subject.split('.')[2]}"
        yield subject, actor, [pb.StopRequested(reason=reason, actor=actor)]
        yield subject, runner, [pb.Stopped(attempt=attempt, reason=reason)]
    else:
        yield subject, "service:scheduler", [pb.Lost(attempt=attempt, reason="its runner is gone")]


def _held(owner: str, name: str, attempt: int) -> ledger.Held:
    amount = 600 * _RATE
    postings = _transfer(f"{owner}:available", f"{owner}:held", amount)
    return ledger.Held(session=name, attempt=attempt, amount=amount, rate=_RATE, postings=postings)


def _settled(
    world: World, name: str, attempt: int, started: Timestamp, set_aside: int
) -> list[Message]:
    (owner, _, _), ended = name.split("/"), world.stamp()
    cost = min(_RATE * (ended.seconds - started.seconds), set_aside)
    rest = set_aside - cost
    return [
        ledger.Charged(
            session=name,
            attempt=attempt,
            started=started,
            ended=ended,
            amount=cost,
            rate=_RATE,
            postings=_transfer(f"{owner}:held", "spent", cost),
        ),
        ledger.Released(
            session=name,
            attempt=attempt,
            amount=rest,
            postings=_transfer(f"{owner}:held", f"{owner}:available", rest),
        ),
    ]


def _transfer(source: str, target: str, amount: int) -> list[ledger.Posting]:
    postings = ((source, -amount), (target, amount))
    return [ledger.Posting(account=account, amount=part) for account, part in postings]


def _long_life(world: World) -> Iterator[Fact]:
    """Yield a thousand events of one session, whose checkpoints take each other's place."""
    owner, dataset, number = LONG.split("/")
    subject = f"nsml.session.{owner}.{dataset}.{number}"
    yield subject, f"user:{owner}", [_requested(world, LONG, owner, dataset)]
    yield subject, "service:scheduler", [pb.Placed(attempt=1, node="node1", devices=["0"])]
    runner = f"runner:{LONG}#1"
    yield subject, runner, [_started(1)]
    for step in range(_LONG_EVENTS - 4):
        yield subject, runner, [_saved(world, 1, str(step % 20), step)]
    yield subject, runner, [pb.Completed(attempt=1, outcome=pb.Outcome(exit_code=0))]
