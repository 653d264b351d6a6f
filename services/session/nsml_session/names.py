"""Numbers for sessions.

The next one for an owner and a dataset, and what an earlier request of the same key led to.
"""

import asyncio
from collections import OrderedDict, defaultdict

from nsml_core.errors import Error, Unavailable
from nsml_core.views import View
from nsml_session import decide
from nsml_session.claims import Claims
from nsml_session.views import find_request, newest_number

_KEYS_KEPT = 100_000


class Names:
    """Hands out names; the log decides whether one was free."""

    def __init__(self, view: View, claims: Claims | None = None) -> None:
        """Hand out names; with claims, together with other replicas."""
        self._view = view
        self._claims = claims
        self._taken_elsewhere: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._taken: OrderedDict[tuple[str, str], asyncio.Future[str]] = OrderedDict()
        self._doubtful: set[tuple[str, str]] = set()
        self._tried: dict[tuple[str, str], str] = {}

    async def next(self, owner: str, dataset: str, key: str) -> str:
        """Return a name that this process has not handed out before, but to this request.

        A request that was broken off may still be on its way to the log under the name that it had
        then: under that name the log takes only one of the two.
        """
        tried = self._tried.get((owner, key), "")
        if tried.startswith(f"{owner}/{dataset}/"):
            return tried
        name = await self._new(owner, dataset)
        if key and self._claims is not None:
            name = await self._claimed(self._claims, owner, key, name)
        if key:
            self._tried[owner, key] = name
        return name

    async def _claimed(self, claims: Claims, owner: str, key: str, name: str) -> str:
        """Return the name that a request has at all replicas; one of another dataset is no name."""
        refused = self._refused.pop((owner, key), "")
        if refused:
            found = await claims.replace(owner, key, refused, name)
        else:
            found = await claims.reserve(owner, key, name)
        return found if found.startswith(name[: name.rindex("/") + 1]) else name

    def was_taken(self, owner: str, key: str) -> None:
        """Learn that the log gave the name of this request to another."""
        name = self._tried.pop((owner, key), "")
        if name and self._claims is not None:
            self._refused[owner, key] = name
            _, dataset, _ = name.split("/")
            self._taken_elsewhere.add((owner, dataset))

    async def _new(self, owner: str, dataset: str) -> str:
        place = (owner, dataset)
        async with self._locks[place]:
            if place not in self._numbers or place in self._taken_elsewhere:
                newest = await newest_number(self._view, owner, dataset)
                self._numbers[place] = max(newest, self._numbers.get(place, 0))
                self._taken_elsewhere.discard(place)
            self._numbers[place] += 1
        return f"{owner}/{dataset}/{self._numbers[place]}"

    async def earlier(self, owner: str, key: str, *, is_chosen: bool) -> str | None:
        """Return the name that a request of this key led to.

        None if there was none, and then it is claimed. A key that the caller chose may have been
        sent to an earlier process too; another is that of a call, which ended with the process.
        """
        if not key:
            return None
        decide.check_key(key)
        claim = self._taken.get((owner, key))
        if claim is not None:
            return await asyncio.shield(claim)
        self._taken[owner, key] = claim = asyncio.get_running_loop().create_future()
        try:
            # Another replica may have been asked before.
            is_asked = is_chosen or (owner, key) in self._doubtful or self._claims is not None
            found = await self._find(owner, key) if is_asked else None
        except BaseException as error:
            self.failed(owner, key, error)
            raise
        if found:
            self.led_to(owner, key, found)
        while len(self._taken) > _KEYS_KEPT:
            self._taken.popitem(last=False)
        return found

    async def _find(self, owner: str, key: str) -> str | None:
        if (owner, key) in self._doubtful:
            await self._view.see_all()
            self._doubtful.discard((owner, key))
        return await find_request(self._view, owner, key)

    def led_to(self, owner: str, key: str, name: str) -> None:
        """Remember what a claimed request led to."""
        self._tried.pop((owner, key), None)
        claim = self._taken.get((owner, key))
        if claim is not None and not claim.done():
            claim.set_result(name)

    def failed(self, owner: str, key: str, error: BaseException) -> None:
        """Let go of a claim; who waits for the same answer gets the refusal, if it was one."""
        claim = self._taken.pop((owner, key), None)
        if claim is None or claim.done():
            return
        if not isinstance(error, Error) or isinstance(error, Unavailable):
            self._doubtful.add((owner, key))  # it may be in the log for all that
            error = Unavailable("The same request was broken off; try again.")
        else:
            self._tried.pop((owner, key), None)
        claim.set_exception(error)
        claim.exception()  # nobody may be waiting
