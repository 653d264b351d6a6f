"""A world with two of each service: people speak to one, runners and the scheduler to the other."""

from contextlib import AsyncExitStack
from dataclasses import replace

import grpc.aio

from nsml_core.caller import Caller
from nsml_core.serve import Floor
from nsml_core.settings import Settings
from tests.services.world import World, running

REPLICATED = ("identity", "dataset", "ledger", "session")


class Split(World):
    """Whatever is said at one replica must be known at the other."""

    def __init__(self, settings: Settings, others: Settings) -> None:
        super().__init__(settings)
        self.people = World(others)
        self.other_floors: dict[str, Floor] = {}
        self._other_lives: dict[str, AsyncExitStack] = {}

    async def start(self, *names: str) -> None:
        await super().start(*names)
        for name in names:
            if name in REPLICATED:
                life = self._other_lives[name] = AsyncExitStack()
                settings = self.people.settings
                self.other_floors[name] = await life.enter_async_context(
                    running(name, settings, placing=False)
                )

    async def stop_other(self, name: str) -> None:
        await self._other_lives.pop(name).aclose()
        del self.other_floors[name]

    async def close(self) -> None:
        await self.people.close()
        for name in reversed(list(self._other_lives)):
            await self.stop_other(name)
        await super().close()

    def channel(self, service: str, caller: Caller | None) -> grpc.aio.Channel:
        if service in self.other_floors and (caller is None or caller.kind == "user"):
            return self.people.channel(service, caller)
        return super().channel(service, caller)

    def leader(self, name: str) -> Floor | None:
        """The replica that reacts now; None while nobody does."""
        both = (self.floors.get(name), self.other_floors.get(name))
        return next((floor for floor in both if floor and floor.lead.is_here), None)


def apart(config: Settings) -> tuple[Settings, Settings]:
    """Settings of two replicas of each service on the same servers."""
    here = replace(config, scales_out=True)
    places = {name: f"{address}.other" for name, address in config.addresses.items()}
    there = {
        name: places[name] if name in REPLICATED else config.addresses[name] for name in places
    }
    other = replace(here, addresses=there, home=config.home / "other", blobs_url=config.blobs_url)
    return here, other
