"""Who is speaking: a name for people, services and runners alike; cheap to import."""

from dataclasses import dataclass


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

    def __str__(self) -> str:
        """Return the caller as the log's entries name them."""
        return f"{self.kind}:{self.name}" + (f"#{self.attempt}" if self.kind == "runner" else "")


NOBODY = Caller("nobody", "")
