"""What the log's server and stream must promise, checked before anything is served."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nats.aio.client import Client

from nsml_core.errors import Damaged, Exhausted, NotFound, Refused, Unavailable
from nsml_core.jetstream import api
from nsml_core.settings import Settings

_PROMISES: dict[str, object] = {
    "storage": "file",
    "retention": "limits",
    "deny_delete": True,
    "deny_purge": True,
    "allow_direct": True,
    "allow_atomic": True,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
}

_LEADER_TRIES = 60
_LEADER_SECONDS = 0.5
_MAKING_SECONDS = 2.0

_REMEDY = "`nsml down`, and then `nsml admin log restore` makes it whole"

Answer = TypeVar("Answer")

_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy leads to our own server."""


async def check_server(settings: Settings) -> None:
    """Refuse a server that acknowledges before an entry is on disk, unless told otherwise."""
    if settings.allow_unsafe_log:
        return
    if not settings.nats_monitor_url:
        raise Refused(
            "NSML_NATS_MONITOR_URL is not set, so nobody can tell whether the log is safe: "
            "set it, or set NSML_ALLOW_UNSAFE_LOG=yes to run on a log that a power cut may shorten."
        )
    for told in await _each(settings.nats_monitor_url, _jsz):
        _check_synced(told.get("config") or {})
    await _check_recovered(settings.nats_monitor_url)


def _check_synced(config: Mapping[str, Any]) -> None:
    if config.get("sync_always") is not True:
        raise Refused(
            "The log's server acknowledges before entries are on disk: "
            "set `sync_interval: always` in its jetstream block, or set NSML_ALLOW_UNSAFE_LOG=yes "
            "to run on a log that a power cut may shorten."
        )


async def _check_recovered(url: str) -> None:
    """Refuse a server that could not read a stream back: made anew, it would cover what is left.

    The server says the same for a moment of a stream that another process is having made.
    """
    deadline = asyncio.get_running_loop().time() + _MAKING_SECONDS
    while unread := [said for said in await _each(url, _health) if "not be recovered" in said]:
        if asyncio.get_running_loop().time() > deadline:
            raise Damaged(f"The log's server cannot read its files ({unread[0]}): {_REMEDY}.")
        await asyncio.sleep(0.1)


async def check_room(url: str) -> None:
    """Say that the disk is full, if that is why the log's server does not take an entry."""
    if url and any("no space left" in said for said in await _each(url, _health)):
        raise Exhausted(
            "There is no room on the disk for the log: free some space; it is written to again "
            "some seconds later."
        )


async def _each(urls: str, ask: Callable[[str], Answer]) -> list[Answer]:
    """Ask each server of a cluster; while one answers, those that are away are not missed."""
    asked = [asyncio.to_thread(ask, url) for url in urls.split(",")]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    told = [answer for answer in answers if not isinstance(answer, BaseException)]
    for failure in answers:
        if isinstance(failure, BaseException) and not (told and isinstance(failure, Unavailable)):
            raise failure
    return told


def _health(url: str) -> str:
    """Return what is wrong with a server; nothing if nothing is."""
    try:
        with _DIRECTLY.open(f"{url}/healthz", timeout=5):
            return ""
    except urllib.error.HTTPError as refusal:
        with refusal:
            return str(json.load(refusal).get("error", refusal.reason))
    except (OSError, ValueError) as error:
        raise Unavailable(f"The log's server does not tell how it is at {url}: {error}.") from None


def _jsz(url: str) -> dict[str, Any]:
    try:
        with _DIRECTLY.open(f"{url}/jsz?config=1", timeout=5) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Unavailable(
            f"The log's server does not tell how it syncs at {url}: {error}."
        ) from None


async def ensure_stream(client: Client, name: str, subjects: str, replicas: int = 1) -> None:
    """Make the stream that holds the truth, or check that the one there keeps its promises.

    A stream that is kept on fewer or more servers than is wanted moves while it is used.
    """
    wanted = {
        **_PROMISES,
        "name": name,
        "subjects": [subjects],
        "num_replicas": replicas,
        "discard": "new",
    }
    try:
        info = await api(client, f"STREAM.INFO.{name}")
    except NotFound:
        info = await api(client, f"STREAM.CREATE.{name}", wanted)
    config, state = info["config"], info["state"]
    broken = [key for key, value in _PROMISES.items() if config.get(key, False) != value]
    if config.get("persist_mode") == "async":
        broken.append("persist_mode")
    if broken:
        raise Refused(
            f"The stream {name} does not keep the log's promises "
            f"({', '.join(broken)}): recreate it."
        )
    _check_whole(state)
    if config["num_replicas"] != replicas:
        await api(client, f"STREAM.UPDATE.{name}", {**config, "num_replicas": replicas})


async def check_whole(client: Client, name: str, seen: int) -> None:
    """Refuse a log that has lost an entry, be it one of those up to `seen`.

    In a cluster a server that has just become the leader may still be reading what it has on disk.
    """
    info = await _info(client, name)
    for _ in range(_LEADER_TRIES if info["config"]["num_replicas"] > 1 else 0):
        if info["state"]["last_seq"] >= seen:
            break
        await asyncio.sleep(_LEADER_SECONDS)
        info = await _info(client, name)
    state = info["state"]
    _check_whole(state)
    if state["last_seq"] < seen:
        raise Damaged(
            f"The log ends at entry {state['last_seq']}, but entry {seen} was seen: {_REMEDY}."
        )


async def _info(client: Client, name: str) -> dict[str, Any]:
    try:
        return await api(client, f"STREAM.INFO.{name}")
    except NotFound:
        raise Damaged(f"The log is gone: {_REMEDY}.") from None


def _check_whole(state: Mapping[str, Any]) -> None:
    held = state["last_seq"] - state["first_seq"] + 1 if state["messages"] else state["last_seq"]
    if state.get("num_deleted", 0) or held != state["messages"]:
        raise Damaged(
            f"The log misses {held - state['messages']} of {held} entries, "
            f"and nothing may delete any: the store is damaged; {_REMEDY}."
        )
