"""What a runner is started with: the attempt it serves, its token and its folder."""

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from nsml_core.errors import Invalid
from nsml_protos import session_pb2

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}/[A-Za-z0-9][A-Za-z0-9_-]{0,19}/[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A start request, checked."""

    session: str
    """USER/DATASET/N."""

    attempt: int

    token: str = field(repr=False)
    """Proves to the services that its bearer is the runner of this attempt."""

    work: Path
    """The attempt's own folder; everything in it goes when the attempt has ended."""

    env: dict[str, str] = field(repr=False)
    """The platform's settings for this runner; user code does not see them."""

    rank: int = 0
    """Of the member of a gang that it serves."""

    @property
    def ref(self) -> session_pb2.AttemptRef:
        return session_pb2.AttemptRef(name=self.session, attempt=self.attempt, rank=self.rank)

    @property
    def traceparent(self) -> str:
        """The trace that this attempt belongs to; empty if there is none."""
        return self.env.get("TRACEPARENT") or self.env.get("traceparent", "")

    @property
    def request_id(self) -> str:
        """The request that led to this attempt."""
        return self.env.get("NSML_REQUEST_ID") or uuid.uuid4().hex

    @classmethod
    def parse(cls, line: str | bytes) -> Self:
        try:
            return cls.of(json.loads(line))
        except ValueError as error:
            raise Invalid(f"A start request is one line of JSON: {error}.") from None

    @classmethod
    def of(cls, values: object) -> Self:
        match values:
            case {
                "session": str(session),
                "attempt": int(attempt),
                "token": str(token),
                "work": str(work),
                "env": dict(env),
            } if _SESSION.fullmatch(session) and attempt > 0 and Path(work).is_absolute():
                settings = {str(name): str(value) for name, value in env.items()}
                return cls(session, attempt, token, Path(work), settings, _rank(values))
            case _:
                raise Invalid(
                    "A start request names session, attempt, token, work (absolute path) and env."
                )


def _rank(values: object) -> int:
    match values:
        case {"rank": int(rank)} if rank >= 0:
            return rank
        case {"rank": _}:
            raise Invalid("The rank of a start request is a whole number, from 0.")
        case _:
            return 0
