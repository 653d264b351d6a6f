"""Tells news by each channel, again and again until it is taken or refused."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from nsml_core.errors import Error, Superseded, Unavailable
from nsml_core.notify import Channel, News

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 300.0
GIVE_UP_SECONDS = 86_400.0
"""What could not be told for a day is no news any more."""

_AT_ONCE = 2

_log = logging.getLogger("nsml.notify")


class Notifier:
    """The channels, each waited for when its receiver is away."""

    def __init__(
        self, channels: Sequence[Channel], first_pause_seconds: float = _FIRST_PAUSE_SECONDS
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "notify") if channels else None
        self._first_pause_seconds = first_pause_seconds

    @property
    def names(self) -> list[str]:
        """The channels that there are."""
        return list(self._channels)

    async def tell(
        self, channel: str, news: News, is_ours: Callable[[], bool] = lambda: True
    ) -> bool:
        """Return whether the channel took the news; a receiver that is away is waited for.

        It is given up as soon as it is not ours to tell any more.
        """
        patiently = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(self._first_pause_seconds, _LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(GIVE_UP_SECONDS),
            before_sleep=_say_again,
            reraise=True,
        )
        try:
            await patiently(self._tell_once, channel, news, is_ours)
        except Error as error:
            _log.warning("%s is not told by %s: %s", news.id, channel, error.sentence)
            return False
        return True

    async def _tell_once(self, channel: str, news: News, is_ours: Callable[[], bool]) -> None:
        if not is_ours():
            raise Superseded("another replica tells it now")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._channels[channel].tell, news)

    def close(self) -> None:
        """Begin nothing more; what a thread tells just now it tells to its end."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _say_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    _log.warning("%s; trying again in %.0f s", error, pause)
