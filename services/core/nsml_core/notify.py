"""What people can be told, and by which channels: mail and webhook, as far as they are set.

The command line looks at this too, so it is cheap to import; `notifier` does the telling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

CHANNELS = ("mail", "webhook")

# Control characters, and what turns the direction of writing round: others write parts of a news.
_HOSTILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class News:
    """One thing to tell somebody."""

    id: str
    """The same whenever the same is told again, such as `ann/mnist/3@152`."""

    about: str
    """The event's name, such as `BecameZombie`."""

    owner: str
    time: datetime
    subject: str
    text: str
    command: str
    """What to type next."""

    facts: Mapping[str, str | int] = field(default_factory=dict)


class Channel(Protocol):
    """A way to tell people.

    It raises `Unavailable` when it may be better later, any other error when it is of no use to
    try again.
    """

    @property
    def name(self) -> str:
        """`mail` or `webhook`."""
        ...

    @property
    def place(self) -> str:
        """Where it leads, without secrets."""
        ...

    def tell(self, news: News) -> None:
        """Tell it, in a thread of its own."""
        ...


def channels(environ: Mapping[str, str]) -> list[Channel]:
    """Return the channels that the settings name; none, and nobody is told anything."""
    found: list[Channel] = []
    # Who is told nothing need not wait for clients of two protocols to be imported.
    if environ.get("NSML_SMTP_URL"):
        from nsml_core import mail  # noqa: PLC0415

        found.append(mail.read(environ))
    if environ.get("NSML_WEBHOOK_URL"):
        from nsml_core import webhook  # noqa: PLC0415

        found.append(webhook.read(environ))
    return found


def one_line(text: str) -> str:
    """Return a text as one line that does nothing but be read."""
    return " ".join(plain(text).split())


def plain(text: str) -> str:
    """Return a text of lines, without what does more than be read."""
    return _HOSTILE.sub(" ", text)
