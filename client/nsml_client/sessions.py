"""Sessions: runs of code on data, started and found."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsml_client import code, names
from nsml_client.access import new_key
from nsml_client.errors import rejecting
from nsml_client.modes import Calls, M, Noun, operation
from nsml_client.results import get
from nsml_client.session import Session
from nsml_client.trees import Progress
from nsml_client.why import cluster
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import RunRequest

if TYPE_CHECKING:  # it comes with grpcio, and is needed only once code is sent
    from nsml_core import blobs


class Sessions(Noun[M]):
    """`client.sessions`."""

    @operation
    async def run(  # noqa: PLR0913 - what can be said of a run
        self,
        folder: Path | str = ".",
        *,
        entry: str = "main.py",
        args: Sequence[str] | str = (),
        datasets: Sequence[str] | str = (),
        gpus: int | None = None,
        cpus: int = 1,
        memory: int | str = 0,
        nodes: int = 1,
        env: Mapping[str, str] | None = None,
        memo: str = "",
        tags: Sequence[str] = (),
        seed: int = 0,
        restarts: int = 0,
        priority: str = "normal",
        preemptible: bool = False,
        after: Sequence[str] | str = (),
        config: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        key: str = "",
        progress: Progress | None = None,
    ) -> Session[M]:
        """Run the code in a folder and return its session, which may wait in the queue.

        `args` are words, or one line that is split as a shell would; `datasets` are NAME or
        NAME@REVISION; `gpus` are 1 if the platform has any, unless it is said; `memory` is 0 for no
        limit, bytes or such as "8G"; each of the `nodes` has all of these; `priority` is low,
        normal, high or a class's name; any session may take the room of a `preemptible` one, which
        goes on later; those `after` which it comes have to end well; the script gets `config` by
        `nsml.config()`, and `params` as a trial. The same `key` never runs twice, however often it
        is asked.

        Raises:
            NotFound: There is no such entry or dataset.
            Invalid: The entry does not compile, a name will not do, the folder is too large.
            Rejected: The platform will not take it into its queue.
        """
        request = RunRequest(memo=memo, tags=tags, seed=seed, restarts=restarts, key=key)
        asked = RunRequest(
            datasets=_listed(datasets),
            args=names.words(args),
            env=env or {},
            resources=await _resources(self._calls, gpus, cpus, memory, nodes, priority),
            priority=names.priority(priority),
            preemptible=preemptible,
            after=names.session_list(after, self._calls.owner),
            config=names.json_object(config) or "",
            params=names.json_object(params) or "",
        )
        request.MergeFrom(asked)
        return await _send(self._calls, request, Path(folder), entry, progress)

    @operation
    async def push(
        self, request: RunRequest, folder: Path | str, progress: Progress | None = None
    ) -> "blobs.Tree":
        """Send the code in a folder and name it in the request, whose entry it must hold.

        Raises:
            NotFound: There is no such entry.
            Invalid: The entry does not compile or is left out, or the folder is too large.
        """
        return await _push(self._calls, request, Path(folder), request.entry, progress)

    @operation
    async def usage(self, *sessions: str) -> list[session_pb2.SessionUsage]:
        """Return what sessions use now: those named that run and that you may see."""
        request = session_pb2.UsageRequest(
            names=[names.session(name, self._calls.owner) for name in sessions]
        )
        reply = await self._calls.call("Sessions/Usage", request, session_pb2.UsageReply)
        return list(reply.sessions)

    @operation
    async def usage_history(self, name: str, samples: int = 0) -> list[session_pb2.SessionUsage]:
        """Return what a session has used over time, rank by rank, in about so many samples each."""
        request = session_pb2.UsageHistoryRequest(
            name=names.session(name, self._calls.owner), samples=samples
        )
        reply = await self._calls.call(
            "Sessions/UsageHistory", request, session_pb2.UsageHistoryReply
        )
        return list(reply.samples)

    @operation
    async def start(self, request: RunRequest) -> Session[M]:
        """Start what a request says: `run` for whoever has all of the protocol in hand.

        Raises:
            Rejected: The platform will not take it into its queue.
        """
        return await _start(self._calls, request)

    @operation
    async def default_gpus(self) -> int:
        """Return 1, as NSML always gave; 0 where no node has any."""
        return await _default_gpus(self._calls)

    def named(self, name: str) -> Session[M]:
        """Return a session of which only the name is known: the platform is not asked."""
        whole = names.session(name, self._calls.owner)
        return Session(self._calls, session_pb2.Session(name=whole))

    @operation
    async def get(self, name: str, *, at: names.At = "") -> Session[M]:
        """Return one session, by USER/DATASET/N or DATASET/N of one's own, as it is or as it was.

        Raises:
            NotFound: There is none, or it is somebody else's.
        """
        name = names.session(name, self._calls.owner)
        then = names.then(at, events=True)
        return Session(self._calls, await get(self._calls, name, then))

    @operation
    async def ls(  # noqa: PLR0913 - what can be asked of sessions
        self,
        pattern: str = "",
        *,
        ended: bool = True,
        dataset: str = "",
        tag: str = "",
        owner: str = "",
        limit: int = 0,
        at: names.At = "",
    ) -> list[Session[M]]:
        """Return sessions, the newest first: those that match, with * and ?, or all of yours.

        A tag may be a pattern, too.
        """
        request = session_pb2.ListSessionsRequest(
            all=ended,
            pattern=names.sessions(pattern, self._calls.owner) if pattern else "",
            dataset=dataset,
            tag=tag,
            owner=owner,
            limit=limit,
            at_us=names.then(at).time_us,
        )
        reply = await self._calls.call("Sessions/List", request, session_pb2.ListSessionsReply)
        return [Session(self._calls, row.session) for row in reply.sessions]


async def _push(
    calls: Calls, request: RunRequest, folder: Path, entry: str, progress: Progress | None
) -> "blobs.Tree":
    if not request.HasField("job"):  # which has a command in the place of an entry
        request.entry = await calls.aside(partial(code.check_entry, folder, entry))
    tree = await code.push(calls, folder, request.entry, progress)
    request.code_tree, request.code_bytes = tree.id, tree.bytes
    return tree


async def _send(
    calls: Calls, request: RunRequest, folder: Path, entry: str, progress: Progress | None
) -> Session[Any]:
    await _push(calls, request, folder, entry, progress)
    return await _start(calls, request)


async def _start(calls: Calls, request: RunRequest) -> Session[M]:
    request.key = request.key or new_key()
    with rejecting():
        reply = await calls.call("Sessions/Run", request, session_pb2.RunReply)
    return Session(calls, reply.session)


async def _resources(
    calls: Calls, gpus: int | None, cpus: int, memory: int | str, nodes: int, priority: str
) -> session_pb2.Resources:
    return session_pb2.Resources(
        gpus=await _default_gpus(calls) if gpus is None else gpus,
        cpus=cpus,
        memory_bytes=names.memory(memory),
        nodes=nodes if nodes > 1 else 0,
        priority_class=names.priority_class(priority),
    )


async def _default_gpus(calls: Calls) -> int:
    """One, as NSML always gave; none where no node has any, so that a laptop need not say so."""
    return int(any(use.node.devices for use in (await cluster(calls)).nodes))


def _listed(datasets: Sequence[str] | str) -> list[str]:
    given = [datasets] if isinstance(datasets, str) else datasets
    return [str(names.dataset(text)) for text in given]
