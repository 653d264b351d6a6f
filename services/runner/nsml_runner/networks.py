"""The network of an attempt: one of its own, in which no other session's containers are.

Its subnet comes from a range of ours, for an engine's own ranges hold some thirty. Whoever is in a
network holds its file, by a lock that the kernel lets go when the holder dies. One that nobody
holds is taken away: by the last to leave, or after a crash by whoever comes next.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path

from nsml_core.errors import Refused
from nsml_runner.bridge import Found
from nsml_runner.containers import Engine
from nsml_runner.marks import HOME, NODE
from nsml_runner.node import SUBNET

MEMBERS_MAX = 48
"""Of a gang on one engine; what builds an image gets an address from the lower end."""

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    subnet: IPv4Network

    def address(self, rank: int) -> str:
        """Return the address of a member, known before it is there; from the upper end."""
        if rank >= MEMBERS_MAX:
            raise Refused(f"On one engine a session spans at most {MEMBERS_MAX} nodes.")
        return str(self.subnet[-2 - rank])


class Networks:
    """Those of one platform on one engine; its runners use them at once."""

    def __init__(self, engine: Engine, cache: Path) -> None:
        self._engine = engine
        self._folder = cache / "networks"
        self._folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def held(self, labelled: Mapping[str, str], pool: IPv4Network) -> Iterator[Network]:
        """Give the network of an attempt; all members of a gang on this engine get the same."""
        labels = _of_all(labelled)
        hold = self._hold(name_of(labels))
        try:
            yield self._get(labels, pool)
        finally:
            os.close(hold)
            self.tidy(labels[HOME])

    def tidy(self, home: str) -> list[Found]:
        """Take away those of a platform that nobody holds; return what the engine has still."""
        every = self._engine.networks()
        ours = [one for one in every if one.labels.get(HOME) == home]
        gone = [one for one in ours if self._take_away(one)]
        return [one for one in every if one not in gone]

    def _take_away(self, network: Found) -> bool:
        """Return whether it is gone; who wants to hold it meanwhile waits, and makes it anew."""
        file = self._folder / network.name
        with contextlib.closing(_File(file)) as lock:
            if not lock.take(fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            is_gone = self._engine.remove_network(network.id)
            if is_gone:
                file.unlink(missing_ok=True)
            return is_gone

    def _hold(self, name: str) -> int:
        while True:
            lock = _File(self._folder / name)
            if lock.take(fcntl.LOCK_SH) and lock.is_there:
                return lock.descriptor
            lock.close()

    def _get(self, labels: Mapping[str, str], pool: IPv4Network) -> Network:
        name = name_of(labels)
        making = self._folder / f"{name}.making"
        with contextlib.closing(_File(making)) as lock:  # of a gang, one makes it
            lock.take(fcntl.LOCK_EX)
            every = self.tidy(labels[HOME])
            known = [one for one in every if one.name == name]
            if known:
                return Network(name, known[0].subnets[0])
            made = self._make(labels, pool, every)
            making.unlink()
            return made

    def _make(
        self, labels: Mapping[str, str], pool: IPv4Network, every: Sequence[Found]
    ) -> Network:
        name = name_of(labels)
        taken = [subnet for one in every for subnet in one.subnets]
        # The engine's own bridge knows what fits through this node's line; others do not ask it.
        mtu = next((one.mtu for one in every if one.name == "bridge"), "")
        for subnet in _spread(pool, name):
            is_free = not any(subnet.overlaps(other) for other in taken)
            if is_free and self._engine.make_network(name, subnet, labels, mtu):
                return Network(name, subnet)
        raise Refused(
            f"All networks of {pool} are taken on this node: an administrator sets "
            "NSML_SANDBOX_NETWORKS to a larger range."
        )


class _File:
    """A file that is open to be locked."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)

    @property
    def is_there(self) -> bool:
        """Whether it has a name: who took its network away took that, too."""
        return os.fstat(self.descriptor).st_nlink > 0

    def take(self, how: int) -> bool:
        try:
            fcntl.flock(self.descriptor, how)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self.descriptor)


def name_of(labels: Mapping[str, str]) -> str:
    """Return a name that nothing else has which is labelled otherwise."""
    told = "\0".join(value for _, value in sorted(labels.items()))
    return f"nsml-{hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]}"


def network_name(labelled: Mapping[str, str]) -> str:
    """Return the name of the network that an attempt has, or will have."""
    return name_of(_of_all(labelled))


def _of_all(labels: Mapping[str, str]) -> dict[str, str]:
    """Return what the labels of all members of a gang have in common."""
    return {name: value for name, value in labels.items() if name != NODE}


def _spread(pool: IPv4Network, name: str) -> Iterator[IPv4Network]:
    """Yield the subnets of a range; those who look at once begin at different ones."""
    number = 1 << (SUBNET - pool.prefixlen)
    first = int(name[-_DIGITS:], 16) % number
    yield from islice(pool.subnets(new_prefix=SUBNET), first, None)
    yield from islice(pool.subnets(new_prefix=SUBNET), first)
