"""Who is speaking: a name for people, services and runners alike; cheap to import."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Caller:
    """Who is speaking."""

    kind: str
    """`user`, `service` or `runner`; `nobody` without a token."""

    name: str
    """The user's or service's name, or the session that the runner speaks for."""

    attempt: int = 0
    """The attempt that a runner speaks for."""

    admin: bool = False
    token: str = ""
    """The id of a token that can be revoked; empty: it cannot."""

    scopes: frozenset[str] = frozenset()
    """What the token is narrowed to; empty: all that its bearer may."""

    roles: frozenset[tuple[str, int]] = field(default=frozenset(), compare=False)
    """A person's teams, and their role in each, as the directory knows them."""

    rank: int = 0
    """The member of a gang that a runner speaks for."""

    def __str__(self) -> str:
        """Return the caller as the log's entries name them."""
        if self.kind != "runner":
            return f"{self.kind}:{self.name}"
        return f"{self.kind}:{self.name}#{self.attempt}" + (f".{self.rank}" if self.rank else "")


NOBODY = Caller("nobody", "")
