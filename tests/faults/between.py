"""Proxies before all services of a running home: `python -m tests.faults.between RUN SEED`.

SIGUSR1 cuts runners off from everything, SIGUSR2 lets them through again.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from nsml_core.settings import SERVICES
from tests.faults.fates import RATES, Chance, Fate
from tests.faults.proxy import Proxy

_CUTS = "away"


async def stand(run: Path, seed: str, what: str) -> None:
    """Stand between until told to leave; the last line says what became of the calls."""
    rates: Mapping[Fate, float] = {} if what == _CUTS else RATES
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        proxies = []
        for service in SERVICES:
            name = f"{seed} {service}"
            proxy = Proxy(Chance(name, rates))
            proxies.append(await stack.enter_async_context(proxy.before(run / f"{service}.sock")))
        loop.add_signal_handler(signal.SIGTERM, leave.set)
        loop.add_signal_handler(signal.SIGUSR1, _each, proxies, lambda one: one.cut("runner"))
        loop.add_signal_handler(signal.SIGUSR2, _each, proxies, Proxy.restore)
        _say("ready")
        await leave.wait()
    for fate in Fate:
        met = sum(n for one in proxies for (was, _), n in one.met.items() if was is fate)
        _say(f"{fate}={met}")


def _each(proxies: Sequence[Proxy], do: Callable[[Proxy], None]) -> None:
    for proxy in proxies:
        do(proxy)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(stand(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
