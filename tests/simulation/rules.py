"""What the simulation promises beyond the history checker of `tests/faults`: names, room, ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from nsml_ledger.audit import Audit
from nsml_ledger.state import METER
from nsml_protos import dataset_pb2
from nsml_protos import scheduler_pb2 as sc
from nsml_protos import session_pb2 as pb
from nsml_protos.gangs import members, node_count
from tests.faults.history import History, Violation
from tests.faults.rules_sessions import ENDINGS, lives
from tests.simulation.world import CPUS, GPUS


def check(history: History) -> Iterator[Violation]:
    """Yield every promise that was not kept."""
    yield from removed_for_good(history)
    yield from revisions_grow(history)
    yield from room_is_there(history)
    yield from checkpoints_once(history)
    yield from zombies_run(history)
    yield from a_lost_node_frees_nothing(history)
    yield from gangs_are_whole(history)
    yield from room_is_made_once(history)


def removed_for_good(history: History) -> Iterator[Violation]:
    """Nothing happens to a session that was removed."""
    removed: set[str] = set()
    for name, _, entry, event in lives(history):
        if name in removed and not isinstance(event, pb.Notified):  # of what happened before
            what = f"{event.DESCRIPTOR.name} after it was removed"
            yield Violation("removed", name, what, entry.sequence)
        if isinstance(event, pb.Removed):
            removed.add(name)


def revisions_grow(history: History) -> Iterator[Violation]:
    """A dataset's numbers are never given twice, also when its name is created again."""
    newest: defaultdict[str, int] = defaultdict(int)
    for entry, event in history.events():
        if isinstance(event, dataset_pb2.Pushed):
            number = event.revision.number
            if number != newest[entry.subject] + 1:
                what = f"revision {number} comes after {newest[entry.subject]}"
                yield Violation("revisions", entry.subject, what, entry.sequence)
            newest[entry.subject] = number


def room_is_there(history: History) -> Iterator[Violation]:
    """Who is placed gets what was asked for, and no more is given than each node has."""
    wanted: dict[str, pb.Resources] = {}
    given: dict[tuple[str, str], pb.Resources] = {}
    for name, _, entry, event in lives(history):
        match event:
            case pb.Requested():
                wanted[name] = event.spec.resources
            case pb.Placed():
                need, room = wanted[name], members(event)
                if len({member.node for member in room}) != node_count(need):
                    yield Violation("room", name, f"{len(room)} nodes are given", entry.sequence)
                for member in room:
                    given[name, member.node] = need
                    there = [each for (_, node), each in given.items() if node == member.node]
                    cpus, gpus = sum(one.cpus for one in there), sum(one.gpus for one in there)
                    if cpus > CPUS or gpus > GPUS or len(member.devices) != need.gpus:
                        has = list(member.devices)
                        what = f"{cpus} CPUs and {gpus} GPUs are given, {has} to it"
                        yield Violation("room", name, what, entry.sequence)
            case _:
                if isinstance(event, ENDINGS):
                    given = {place: need for place, need in given.items() if place[0] != name}


def checkpoints_once(history: History) -> Iterator[Violation]:
    """A checkpoint is saved once, however often its runner says so."""
    saved: defaultdict[tuple[str, str], int] = defaultdict(int)
    for name, _, entry, event in lives(history):
        if isinstance(event, pb.CheckpointSaved):
            saved[name, event.checkpoint.tree] += 1
            if saved[name, event.checkpoint.tree] == 2:
                what = f"{event.checkpoint.tree} was saved twice"
                yield Violation("checkpoints", name, what, entry.sequence)


def zombies_run(history: History) -> Iterator[Violation]:
    """Only who runs becomes a zombie, and only a zombie wakes up."""
    zombies: set[str] = set()
    for name, life, entry, event in lives(history):
        match event:
            case pb.BecameZombie() | pb.WokeUp():
                is_zombie = isinstance(event, pb.WokeUp)
                if life.state != "running" or (name in zombies) != is_zombie:
                    what = f"{event.DESCRIPTOR.name} while it was {life.state}"
                    yield Violation("zombies", name, what, entry.sequence)
                (zombies.discard if is_zombie else zombies.add)(name)
            case pb.Placed():
                zombies.discard(name)
            case _:
                pass


def a_lost_node_frees_nothing(history: History) -> Iterator[Violation]:
    """While a node does not answer, nobody says that a runner on it is gone."""
    lost: set[str] = set()
    rooms: dict[str, Sequence[pb.GangMember]] = {}
    for entry, event in history.events():
        match event:
            case sc.NodeLost():
                lost.add(entry.subject.rpartition(".")[2])
            case sc.NodeReturned() | sc.NodeJoined():
                lost.discard(entry.subject.rpartition(".")[2])
            case pb.Placed():
                rooms[entry.subject] = members(event)
            case pb.Lost() | pb.MemberLost():
                room, rank = rooms[entry.subject], getattr(event, "rank", 0)
                is_gone = event.gone if isinstance(event, pb.MemberLost) else len(room) == 1
                if is_gone and room[rank].node in lost:
                    what = f"{event.DESCRIPTOR.name} while its node was"
                    yield Violation("lease", entry.subject, what, entry.sequence)
            case _:
                pass


def gangs_are_whole(history: History) -> Iterator[Violation]:
    """Code starts once all members are ready; it is over when each has ended or is gone."""
    rooms: dict[str, int] = {}
    ready: defaultdict[str, set[int]] = defaultdict(set)
    over: defaultdict[str, set[int]] = defaultdict(set)
    for name, _, entry, event in lives(history):
        match event:
            case pb.Placed():
                rooms[name] = len(members(event))
                ready[name], over[name] = set(), set()
            case pb.MemberReady():
                ready[name].add(event.rank)
            case pb.MemberEnded():
                over[name].add(event.rank)
            case pb.MemberLost():
                over[name] |= {event.rank} if event.gone else set()
            case pb.Started() if len(ready[name]) != rooms.get(name, 1) > 1:
                yield Violation("gang", name, f"only {ready[name]} were ready", entry.sequence)
            case _:
                if isinstance(event, ENDINGS) and len(over[name]) != rooms.get(name, 1) > 1:
                    yield Violation("gang", name, f"only {over[name]} ended", entry.sequence)
                if isinstance(event, ENDINGS):
                    rooms.pop(name, None)


def room_is_made_once(history: History) -> Iterator[Violation]:
    """Who makes room was asked to, waits again in the same entry, and has no restart the less."""
    asked: set[str] = set()
    for name, _, entry, event in lives(history):
        match event:
            case pb.StopRequested():
                (asked.add if event.requeue else asked.discard)(name)
            case pb.Preempted():
                again = [one for one in entry.events if isinstance(one, pb.Resumed)]
                if name not in asked or [one.preempted for one in again] != [True]:
                    yield Violation("room made", name, "it was not asked to", entry.sequence)
                asked.discard(name)
            case pb.Resumed():
                asked.discard(name)
            case _:
                pass


def audit(history: History) -> list[str]:
    """Return what the ledger's own audit finds."""
    auditor = Audit()
    found = []
    for entry in history.entries:
        if entry.subject.startswith(("nsml.ledger.", "nsml.session.")):
            events = [
                event
                for event in entry.events
                if entry.subject.startswith("nsml.ledger.") or isinstance(event, METER.events)
            ]
            found += auditor.see(entry.sequence, entry.subject, entry.time, events)
    found += auditor.finish(len(history.entries))
    return [f"{one.name}: {one.what}" for one in found]
