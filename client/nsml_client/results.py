"""What a session says, and what comes of it: lines, metrics, models, files."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from nsml_client import logs, models, names, trees
from nsml_client.facts import LIVE, Facts
from nsml_client.logs import Line
from nsml_client.modes import Calls, M, operation, streaming
from nsml_client.trees import Progress
from nsml_core.errors import NotFound, Refused
from nsml_protos import session_pb2


class Results(Facts[M]):
    """What can be had of a session."""

    @streaming
    async def logs(  # noqa: PLR0913 - what can be asked of logs
        self,
        *,
        follow: bool = False,
        tail: int = 0,
        since: names.At = "",
        until: names.At = "",
        grep: str = "",
        streams: Sequence[str] = (),
        ranks: Sequence[int] = (),
    ) -> AsyncGenerator[Line, None]:
        """Yield the lines that it printed; with follow, until it has ended.

        `tail` is how many of the newest, 0 for all; `grep` a regular expression (of RE2); `streams`
        are `stdout`, `stderr`, `build`, `platform`. Who follows goes on where it was when the
        platform was away for a while.

        Raises:
            Invalid: The expression, a time or a stream makes no sense.
        """
        asked = logs.request(
            self.name,
            follow=follow,
            tail=tail,
            since=since,
            until=until,
            grep=grep,
            streams=streams,
            ranks=ranks,
        )
        async with aclosing(logs.lines(self._calls, asked)) as told:
            async for line in told:
                yield line

    @operation
    async def series(
        self,
        *patterns: str,
        buckets: int = 0,
        from_step: float | None = None,
        to_step: float | None = None,
    ) -> list[session_pb2.Series]:
        """Return its metrics, each series by itself: those that match, with * and ?, or all.

        With `buckets`, each series comes in at most so many, with the extremes of each.
        """
        request = session_pb2.MetricsRequest(
            name=self.name, series=patterns, buckets=buckets, from_step=from_step, to_step=to_step
        )
        return await series(self._calls, request)

    @operation
    async def metrics(
        self,
        *patterns: str,
        buckets: int = 0,
        from_step: float | None = None,
        to_step: float | None = None,
    ) -> Any:
        """Return its metrics as one table, a row a point: `series`, `step`, `value`, `time`.

        It is a pandas.DataFrame where pandas is installed, and else a dictionary of lists. With
        `buckets`, a row stands for some points, and has `min`, `max`, `first`, `first_step`,
        `count` as well; its value is that of the last of them.
        """
        from nsml_client import columns

        request = session_pb2.MetricsRequest(
            name=self.name, series=patterns, buckets=buckets, from_step=from_step, to_step=to_step
        )
        return columns.columns(await series(self._calls, request), in_buckets=buckets > 0)

    @streaming
    async def watch_metrics(self, *patterns: str) -> AsyncGenerator[session_pb2.MetricsNews, None]:
        """Yield its metrics as they come, what there is first, until it has ended.

        Where `anew` is set, all is told again: forget what was told before.
        """
        request = session_pb2.MetricsRequest(name=self.name, series=patterns)
        news = self._calls.stream("Sessions/WatchMetrics", request, session_pb2.MetricsNews)
        async with aclosing(news):
            async for told in news:
                yield told

    @streaming
    async def records(
        self, *patterns: str, newest: int = 0, with_data: bool = True
    ) -> AsyncGenerator[session_pb2.Record, None]:
        """Yield its histograms, images, texts and tables: so many of each name, or all."""
        request = session_pb2.RecordsRequest(
            name=self.name, records=patterns, newest=newest, with_data=with_data
        )
        found = self._calls.stream("Sessions/Records", request, session_pb2.Record)
        async with aclosing(found):
            async for record in found:
                yield record

    @operation
    async def pull_model(
        self,
        checkpoint: str = "",
        path: Path | str = "",
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Bring a checkpoint here, the one saved last if none is named; return where it is.

        That is PATH/USER_DATASET_N/CHECKPOINT.

        Raises:
            NotFound: It has no such checkpoint.
            Refused: There is something already; with force it is replaced.
            Damaged: What the store has is not what was saved; the sentence names an earlier one.
        """
        one = await get(self._calls, self.name)
        point = models.find(one, checkpoint)
        target = _folder(path, one.name) / point.name
        with models.telling_of_damage(one, point):
            return await trees.pull(self._calls, point.tree, target, force=force, progress=progress)

    @operation
    async def remove_model(self, checkpoint: str, *, scored: bool = False) -> None:
        """Remove a checkpoint.

        Raises:
            NotFound: It has no such checkpoint.
            Refused: Without `scored`, a best score stands on it.
        """
        # The platform says nothing of what is gone: it may be asked twice.
        models.find(await get(self._calls, self.name), checkpoint)
        request = session_pb2.RemoveCheckpointRequest(
            name=self.name, checkpoint=checkpoint, scored=scored
        )
        await self._calls.call("Sessions/RemoveCheckpoint", request, session_pb2.Session)

    @operation
    async def pull_code(
        self, path: Path | str = "", *, force: bool = False, progress: Progress | None = None
    ) -> Path:
        """Bring its code here, as it was run, into PATH/USER_DATASET_N/code; return where it is.

        Raises:
            Refused: There is something already; with force it is replaced.
        """
        target = _folder(path, self.name) / "code"
        tree = self.info.spec.code_tree
        return await trees.pull(self._calls, tree, target, force=force, progress=progress)

    @operation
    async def download(
        self,
        path: Path | str = "",
        *,
        single: str = "",
        force: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Bring here what it wrote to its output folder; return where it is.

        It comes into PATH/USER_DATASET_N/output; what `single` names, a file or a folder, comes
        into PATH itself.

        Raises:
            Refused: It has not ended, or there is something already; with force it is replaced.
            NotFound: It wrote nothing, or nothing of this name.
        """
        tree = output(await get(self._calls, self.name))
        if single:
            return await trees.pull_part(self._calls, tree, single, Path(path), force=force)
        target = _folder(path, self.name) / "output"
        return await trees.pull(self._calls, tree, target, force=force, progress=progress)


def output(one: session_pb2.Session) -> str:
    """Return the tree of what a session wrote."""
    if one.status in LIVE:
        raise Refused(f"Session {one.name} has not ended: its output is kept when it ends.")
    if not one.outcome.output_tree:
        raise NotFound(
            f"Session {one.name} wrote nothing to keep: its code writes below NSML_OUTPUT for that."
        )
    return one.outcome.output_tree


async def get(calls: Calls, name: str, then: names.Moment = names.NOW) -> session_pb2.Session:
    ref = session_pb2.SessionRef(name=name, **then._asdict())
    return await calls.call("Sessions/Get", ref, session_pb2.Session)


async def series(calls: Calls, request: session_pb2.MetricsRequest) -> list[session_pb2.Series]:
    reply = await calls.call("Sessions/Metrics", request, session_pb2.MetricsReply)
    return list(reply.series)


def _folder(path: Path | str, session: str) -> Path:
    return Path(path) / session.replace("/", "_")
