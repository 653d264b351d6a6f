"""What the web is made of, and how it speaks to the services: as the person who asks."""

import hashlib
from collections import OrderedDict

from nsml_client.aio import AsyncClient
from nsml_core.settings import Settings
from nsml_core.throttle import Throttle
from nsml_web.assets import Assets
from nsml_web.channels import Channels
from nsml_web.cookies import Cookies
from nsml_web.links import Links
from nsml_web.recent import Recent
from nsml_web.settings import WebSettings
from nsml_web.templates import Templates
from nsml_web.tensorboards import TensorBoards

_CLIENTS_MAX = 256
_TRIES_A_SECOND, _TRIES_AT_ONCE = 0.5, 20


class Web:
    """Everything that outlives a request."""

    def __init__(self, platform: Settings, settings: WebSettings) -> None:
        self.platform = platform
        self.settings = settings
        self.assets = Assets()
        self.templates = Templates(self.assets)
        self.cookies = Cookies(settings)
        self.links = Links()
        self.recent = Recent()
        self.channels = Channels()
        self.tensorboards = TensorBoards()
        self.entrance = Throttle(_TRIES_A_SECOND, _TRIES_AT_ONCE)
        """Counts by whom it is tried to log in."""
        self.nobody = AsyncClient(platform, token="none")  # noqa: S106 - it is never sent
        """Speaks to the services as who has not logged in yet."""
        self.nobody.is_nobody = True
        self._clients: OrderedDict[bytes, AsyncClient] = OrderedDict()

    def client(self, token: str, team: str = "") -> AsyncClient:
        """Return the client of a token's bearer: the web has no power of its own.

        For a team, what it makes is the team's; the bearer sees at once what is made so.
        """
        key = hashlib.sha256(f"{token} {team}".encode()).digest()
        if key not in self._clients:
            found = AsyncClient(self.platform, token=token, team=team)
            found.team = team  # whatever stands in the web's own environment
            if team:
                found.positions = self.client(token).positions
            self._clients[key] = found
        self._clients.move_to_end(key)
        while len(self._clients) > _CLIENTS_MAX:
            self._clients.popitem(last=False)  # who still uses it keeps it
        return self._clients[key]

    async def close(self) -> None:
        """Hang up."""
        await self.tensorboards.close()
        await self.nobody.close()
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()
