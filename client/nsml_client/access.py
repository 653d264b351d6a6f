"""Where the platform is, who asks, and what goes along with each call."""

import base64
import json
import os
import time
from functools import cached_property
from typing import Protocol, Self, TypeVar

from nsml_client import profile
from nsml_client.errors import Broken, Lost, StandsBy
from nsml_client.positions import Positions
from nsml_client.rpc import Where, connect
from nsml_core import telemetry
from nsml_core.errors import Error, NotPermitted, Throttled, Unauthenticated, Unavailable
from nsml_core.settings import Settings, home_folder, read, run_dir

NOT_RUNNING = "NSML is not running here: start it with `nsml up`."
TIMEOUT_SECONDS = 30.0
# Every call may be made twice: reading changes nothing, and what changes something is the same
# when it is asked again (`Run` by its key).
RETRY_AFTER_SECONDS = (0.1, 0.5, 1.0)
_SUCCESSION_SECONDS = 0.2

_PROCESS_OF = {
    "Sessions": "session",
    "Datasets": "dataset",
    "Blobs": "dataset",
    "Boards": "dataset",
    "Ledger": "ledger",
    "Identity": "identity",
    "Logins": "identity",
    "Scheduler": "scheduler",
}


class Request(Protocol):
    """A protobuf message, as far as sending goes."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's name


class Reply(Protocol):
    """A protobuf message, as far as receiving goes."""

    @classmethod
    def FromString(cls, s: bytes) -> Self: ...  # noqa: N802 - protobuf's name


R = TypeVar("R", bound=Reply)


class Access:
    """What the clients have in common: addresses, the bearer, the sentences of what fails."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        token: str = "",
        request_id: str = "",
        team: str = "",
    ) -> None:
        """Read where the platform is; what is done under one request id is one request.

        Without one, each call is a request of its own. What is made belongs to the team, if one is
        named; else to whom `NSML_TEAM`, or the last `nsml login -t`, says.
        """
        is_other = bool(token or os.environ.get("NSML_TOKEN"))  # somebody else than logged in
        home = settings.home if settings else home_folder()
        self.profile = profile.load(home, is_other=is_other)
        self.settings = settings or read(profile.environ(self.profile))
        self.team = team or os.environ.get("NSML_TEAM", "") or self.profile.team
        self.traceparent = os.environ.get("TRACEPARENT", "")
        self._given = token
        self.is_nobody = False
        """Whether calls are made without a token: to log in."""

        self.request_id = request_id
        self.positions = Positions(run_dir(self.settings.home) / "position.json")

    @cached_property
    def token(self) -> str:
        """The bearer's token.

        What was given, else `NSML_TOKEN`, else that of the last login, else the local user's.
        """
        given = self._given or os.environ.get("NSML_TOKEN", "").strip()
        if given:
            return given
        if self.profile.name:
            return profile.token(self.profile)
        file = self.settings.token_file
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            if not self.settings.addresses["identity"].startswith("unix:"):
                raise Unauthenticated(profile.LOG_IN) from None
            raise Unavailable(NOT_RUNNING) from None
        except PermissionError:
            raise NotPermitted(
                f"{file} belongs to somebody else; set NSML_HOME to a folder of yours."
            ) from None

    @cached_property
    def user(self) -> str:
        """The name in the token; the services verify it, not we."""
        try:
            payload = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return str(claims["sub"])
        except (IndexError, KeyError, ValueError):
            raise Unauthenticated("This token is no token of NSML: log in again.") from None

    @property
    def owner(self) -> str:
        """Whose it is what is made: the team that is acted for, or who asks."""
        return self.team or self.user

    def next_request_id(self) -> str:
        """Return the id of the request that the next call belongs to."""
        return self.request_id or new_key()

    def metadata(self, process: str, request_id: str, traceparent: str) -> list[tuple[str, str]]:
        """Return what goes along with a call to a service."""
        pairs = [("x-request-id", request_id)]
        if not self.is_nobody:
            pairs.append(("authorization", f"Bearer {self.token}"))
        if traceparent:  # otherwise the service begins the trace
            pairs.append(("traceparent", traceparent))
        if self.team and process != "identity":
            pairs.append(("x-nsml-owner", self.team))
        known = dict.fromkeys((process, "identity"))
        if position := ",".join(filter(None, map(self.positions.of, known))):
            pairs.append(("x-nsml-position", position))
        return pairs

    def span(self, method: str) -> telemetry.Span:
        address = self.settings.addresses[process_of(method)]
        return telemetry.calling(path_of(method), address, self.traceparent)

    def where(self, process: str) -> Where:
        """Return where a service is, and how it is spoken to."""
        return Where(process, self.settings.addresses[process], self.settings.tls)

    def require(self, process: str) -> None:
        """Raise what a call would raise if this service does not answer."""
        try:
            connect(self.where(process), 5)[0].close()
        except OSError as error:
            raise self.absent(process) from error

    def absent(self, process: str) -> Unavailable:
        """Return the error of a service that cannot be reached."""
        address = self.settings.addresses[process]
        if not address.startswith("unix:"):
            return Unavailable(f"The {process} service does not answer at {address}; is it up?")
        if not any(_answers(other) for other in self.settings.addresses.values()):
            return Unavailable(NOT_RUNNING)
        return Unavailable(
            f"The {process} service does not answer: if it does not come back by itself in some "
            f"seconds, look at {self._log(process)}, and restart with `nsml down` and `nsml up`."
        )

    def told(self, error: Broken, method: str) -> Broken:
        """Return the error of a service that failed, with the place of its log."""
        process = process_of(method)
        return Broken(
            f"The {process} service failed ({error.sentence}): its log is {self._log(process)}."
        )

    def _log(self, process: str) -> str:
        return str(self.settings.home / "logs" / f"{process}.log")


class Patience:
    """How long a call is made again: after a pause, or not any more."""

    def __init__(self) -> None:
        self._pauses = iter(RETRY_AFTER_SECONDS)
        self._end = time.monotonic() + TIMEOUT_SECONDS

    def after(self, error: Error) -> float:
        """Return how long to wait before the call is made again; raise the error if it is not."""
        pause: float | None = None
        if isinstance(error, Throttled):
            pause = error.seconds
        elif isinstance(error, StandsBy):
            pause = _SUCCESSION_SECONDS
        elif isinstance(error, Lost):
            pause = next(self._pauses, None)
        if pause is None or time.monotonic() + pause > self._end:
            raise error
        return pause


def new_key() -> str:
    """Return what no other request has: asked again under it, nothing happens twice."""
    return os.urandom(16).hex()


def process_of(method: str) -> str:
    """Return the service process that carries a method; `Care@ledger/…` is what all carry."""
    service, _, process = method.partition("/")[0].partition("@")
    return process or _PROCESS_OF[service]


def path_of(method: str) -> str:
    """Return a method as gRPC has it: `/nsml.Sessions/List`."""
    service, _, name = method.partition("/")
    return f"/nsml.{service.partition('@')[0]}/{name}"


def _answers(address: str) -> bool:
    try:
        connect(Where("", address), 1)[0].close()
    except OSError:
        return False
    return True
