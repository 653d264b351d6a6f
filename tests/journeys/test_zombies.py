"""A session that holds a GPU and does nothing: its owner sees it, hears of it, and wakes it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nsml_core.webhook import signature
from tests.journeys.conftest import started
from tests.journeys.person import Person
from tests.receivers import HERE, Hook, Mailbox, mail_server, web_receiver


@dataclass
class Owner:
    """A person, and where news of their sessions arrive."""

    person: Person
    box: Mailbox
    hook: Hook


@pytest.fixture
def owner(short_path: Path) -> Iterator[Owner]:
    """An owner on a platform that has little patience, and tells them so."""
    with mail_server(Mailbox()) as box, web_receiver(Hook()) as hook:
        for person in started(
            short_path,
            NSML_ZOMBIE_AFTER="4",
            NSML_SMTP_URL=f"smtp://{HERE}:{box.port}",
            NSML_MAIL_FROM="nsml@example.org",
            NSML_MAIL_TO="{user}@example.org",
            NSML_WEBHOOK_URL=hook.url,
            NSML_WEBHOOK_SECRET="hush",  # noqa: S106 - known to all
        ):
            yield Owner(person, box, hook)


SLEEPER = """
import time
from pathlib import Path
while not Path("work").exists():
    time.sleep(0.5)
while True:
    pass
"""


def test_a_zombie_is_seen_and_told_until_it_works(owner: Owner) -> None:
    ann = owner.person
    name = ann.starts(SLEEPER, "-g", "1", "-m", "asleep")
    while not (since := ann.json("status", name)["zombie_since"]):
        time.sleep(0.1)

    why = "it uses less than 1% of its CPU"  # declared GPUs say nothing
    zombie = f"Zombie (since {since})"
    assert zombie in ann.says("ps")
    assert ann.says("status", name) == f"{zombie}\n"
    assert f"  {zombie}\n" in ann.says("show", name)
    assert f"it does nothing: {why}" in ann.says("why", name)
    assert ann.json("ps")[0]["status"] == "Running"

    _is_told(owner, name, f"a zombie, which does nothing since {since}: {why}\n")
    _shows_where_news_go(owner)

    (ann.home / "work" / name / "1" / "code" / "work").touch()
    while ann.json("status", name)["zombie_since"]:
        time.sleep(0.1)
    assert ann.says("history", name).endswith("works again\n")
    assert ann.says("status", name) == "Running\n"
    ann.says("stop", name)
    ann.wait(name, "Stopped")
    assert len(owner.box.mails) == 1  # that they stopped it, they know


def _is_told(owner: Owner, name: str, happened: str) -> None:
    ann = owner.person
    while "by webhook" not in (said := ann.says("history", name)) or "by mail" not in said:
        time.sleep(0.1)
    assert happened in said
    assert "its owner was told by mail that it does nothing\n" in said
    [(recipients, mail)] = owner.box.mails
    assert (recipients, mail["Subject"]) == (
        ["ann@example.org"],
        f"[NSML] Session {name} does nothing",
    )
    [request] = owner.hook.posted
    posted = json.loads(request.body)
    assert (posted["event"], posted["session"]) == ("BecameZombie", name)
    assert request.headers["X-NSML-Signature"] == signature("hush", request.body)


def _shows_where_news_go(owner: Owner) -> None:
    ann = owner.person
    leads = {"mail": f"{HERE}:{owner.box.port}", "webhook": f"http://{HERE}:{owner.hook.port}"}
    assert ann.json("status")["notifications"] == leads
    shown = ann.says("status")
    assert all(f"{channel} to {place}" in shown for channel, place in leads.items())
    assert "hush" not in shown
