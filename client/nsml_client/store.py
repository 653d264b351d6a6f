"""Work with the store of content: on an event loop of its own, or on the caller's."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from nsml_client.access import Access
from nsml_core import blobs, calls
from nsml_core.blobs.transport import Cancelled

T = TypeVar("T")
Work = Callable[[blobs.Client], Coroutine[Any, Any, T]]


def blocking(access: Access, work: Work[T]) -> T:
    """Do this on a loop of its own; in another thread if this one runs a loop, as notebooks do."""
    access.require("dataset")  # at once and in our words; the channel below waits for a service
    if not _is_in_a_loop():
        return asyncio.run(_quietly(access, work))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _quietly(access, work)).result()


async def awaited(access: Access, work: Work[T]) -> T:
    """Do this on the caller's loop, in a context of its own."""
    await asyncio.to_thread(access.require, "dataset")
    task = asyncio.create_task(_within(access, work), context=copy_context())
    try:
        return await task
    finally:
        task.cancel()  # whoever no longer waits for it wants none of it


async def _quietly(access: Access, work: Work[T]) -> T:
    asyncio.get_running_loop().set_exception_handler(_report)
    return await _within(access, work)


async def _within(access: Access, work: Work[T]) -> T:
    request_id = access.next_request_id()
    calls.enter(calls.Call(request_id=request_id, traceparent=access.traceparent))
    settings = access.settings
    address = settings.addresses["dataset"]
    async with blobs.Client(address, access.token, settings.blobs_url, settings.tls) as store:
        return await work(store)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave unsaid that what was cancelled was cancelled: Ctrl-C is no fault."""
    if not isinstance(context.get("exception"), Cancelled):
        loop.default_exception_handler(context)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
