"""News by mail and webhook, to real receivers: away and back, busy, refusing, attacked."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from nsml_core import notify, webhook
from nsml_core.errors import Invalid
from nsml_core.notifier import Notifier
from nsml_core.notify import News
from tests.receivers import HERE, Hook, Mailbox, box, hook, mail_server, web_receiver

__all__ = ["box", "hook"]

NEWS = News(
    id="ann/mnist/3@152",
    about="BecameZombie",
    owner="ann",
    time=datetime(2026, 1, 31, 14, 5, 6, tzinfo=UTC),
    subject="Session ann/mnist/3 does nothing",
    text="It has done nothing since noon.\nIts memo: größer",
    command="nsml stop ann/mnist/3",
    facts={"session": "ann/mnist/3", "attempt": 2, "sequence": 152},
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy leads to loopback."""
    monkeypatch.setenv("no_proxy", HERE)


def by_mail(port: int, url: str = "smtp://{}:{}") -> Notifier:
    environ = {
        "NSML_SMTP_URL": url.format(HERE, port),
        "NSML_MAIL_FROM": "nsml@example.org",
        "NSML_MAIL_TO": "{user}@example.org",
    }
    return Notifier(notify.channels(environ), first_pause_seconds=0.01)


def by_web(hook: Hook, secret: str = "") -> Notifier:
    environ = {"NSML_WEBHOOK_URL": hook.url, "NSML_WEBHOOK_SECRET": secret}
    return Notifier(notify.channels(environ), first_pause_seconds=0.01)


async def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    while words not in caplog.text:
        await asyncio.sleep(0.01)


def test_nobody_is_told_anything_unless_it_is_configured() -> None:
    assert notify.channels({}) == []
    assert Notifier([]).names == []


async def test_a_mail_says_it_in_plain_words(box: Mailbox) -> None:
    assert await by_mail(box.port).tell("mail", NEWS)

    [(recipients, mail)] = box.mails
    assert recipients == ["ann@example.org"]
    assert {name: mail[name] for name in ("From", "To", "Subject", "Date")} == {
        "From": "nsml@example.org",
        "To": "ann@example.org",
        "Subject": "Session ann/mnist/3 does nothing",
        "Date": "Sat, 31 Jan 2026 14:05:06 +0000",
    }
    assert mail.get_content().replace("\r\n", "\n") == (
        f"{NEWS.text}\n\nWhat to type next: nsml stop ann/mnist/3\n"
    )


async def test_what_others_wrote_stays_text(box: Mailbox, hook: Hook) -> None:
    hostile = "x\r\nBcc: eve@example.org\n\nMore\x1b[31m \u202eevil\u2028"
    news = News("a@1", "Failed", "ann", NEWS.time, hostile, hostile, "nsml why a")
    assert await by_mail(box.port).tell("mail", news)
    assert await by_web(hook).tell("webhook", news)

    [(recipients, mail)] = box.mails
    assert recipients == ["ann@example.org"]
    assert mail["Bcc"] is None
    assert mail["Subject"] == "x Bcc: eve@example.org More [31m evil"
    posted = json.loads(hook.posted[0].body)
    for text in (mail["Subject"], mail.get_content(), posted["subject"], posted["text"]):
        assert not set(text) & set("\x1b\u202e\u2028")


async def test_a_webhook_gets_signed_json(hook: Hook) -> None:
    assert await by_web(hook, "key").tell("webhook", NEWS)

    [request] = hook.posted
    assert request.path == "/hook"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-NSML-Signature"] == webhook.signature("key", request.body)
    assert webhook.signature("other", request.body) != webhook.signature("key", request.body)
    assert json.loads(request.body) == {
        "id": "ann/mnist/3@152",
        "event": "BecameZombie",
        "time": "2026-01-31T14:05:06.000Z",
        "owner": "ann",
        "session": "ann/mnist/3",
        "attempt": 2,
        "sequence": 152,
        "subject": NEWS.subject,
        "text": NEWS.text,
        "command": "nsml stop ann/mnist/3",
    }


async def test_a_mail_server_that_was_away_gets_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = Mailbox()
    with mail_server(away):
        pass
    telling = asyncio.create_task(by_mail(away.port).tell("mail", NEWS))
    await logged(caplog, "trying again")
    with mail_server(away):
        assert await telling

    assert len(away.mails) == 1


async def test_a_receiver_that_was_away_gets_it_once(caplog: pytest.LogCaptureFixture) -> None:
    hook = Hook()
    with web_receiver(hook):
        pass
    telling = asyncio.create_task(by_web(hook).tell("webhook", NEWS))
    await logged(caplog, "trying again")
    with web_receiver(hook):
        assert await telling

    assert len(hook.posted) == 1


async def test_who_is_busy_is_asked_again(box: Mailbox, hook: Hook) -> None:
    box.answers = ["451 busy", "421 very busy"]
    hook.answers = [503, 429, 408]

    assert await by_mail(box.port).tell("mail", NEWS)
    assert await by_web(hook).tell("webhook", NEWS)
    assert (box.asked, len(hook.posted)) == (3, 4)


@pytest.mark.parametrize("code", [400, 404, 410, 302])
async def test_what_a_receiver_refuses_is_let_be(
    code: int, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [code]

    assert not await by_web(hook).tell("webhook", NEWS)
    assert len(hook.posted) == 1
    assert f"ann/mnist/3@152 is not told by webhook: http://{HERE}:{hook.port} answers {code}" in (
        caplog.text
    )


async def test_what_a_mail_server_refuses_is_let_be(
    box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    box.answers = ["550 who is that?"]

    assert not await by_mail(box.port).tell("mail", NEWS)
    assert (box.asked, box.mails) == (1, [])
    assert "answers 550: who is that?" in caplog.text


async def test_a_password_is_told_and_a_wrong_one_is_refused(
    box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await by_mail(box.port, "smtp://ann:wrong@{}:{}").tell("mail", NEWS)
    assert box.mails == []
    assert await by_mail(box.port, "smtp://ann:p%40ss@{}:{}").tell("mail", NEWS)

    assert len(box.mails) == 1
    assert set(box.logins) == {("ann", "wrong"), ("ann", "p@ss")}
    assert "wrong" not in caplog.text


async def test_without_the_encryption_that_was_asked_for_nothing_is_sent(box: Mailbox) -> None:
    assert not await by_mail(box.port, "smtp+starttls://ann:p%40ss@{}:{}").tell("mail", NEWS)
    assert box.asked == 0


def test_a_place_tells_no_secret() -> None:
    environ = {
        "NSML_SMTP_URL": "smtps://ann:secret@mail.example.org",
        "NSML_MAIL_FROM": "nsml@example.org",
        "NSML_MAIL_TO": "ann@example.org",
        "NSML_WEBHOOK_URL": "https://hooks.example.org/T0/secret",
        "NSML_WEBHOOK_SECRET": "secret",
    }
    channels = notify.channels(environ)

    assert [channel.place for channel in channels] == [
        "mail.example.org:465",
        "https://hooks.example.org",
    ]
    assert "secret" not in repr(channels)


MAIL = {"NSML_MAIL_FROM": "nsml@example.org", "NSML_MAIL_TO": "ann@example.org"}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({**MAIL, "NSML_SMTP_URL": "mail.example.org"}, "NSML_SMTP_URL is smtp://"),
        ({**MAIL, "NSML_SMTP_URL": "http://mail.example.org"}, "NSML_SMTP_URL is smtp://"),
        ({**MAIL, "NSML_SMTP_URL": "smtp://a:99999"}, "port"),
        ({**MAIL, "NSML_SMTP_URL": "smtp://u:p@mail.example.org"}, "in the clear"),
        ({"NSML_SMTP_URL": "smtp://a", "NSML_MAIL_TO": "a@b.c"}, "NSML_MAIL_FROM is ''"),
        ({**MAIL, "NSML_SMTP_URL": "smtp://a", "NSML_MAIL_TO": "ann"}, "NSML_MAIL_TO is 'ann'"),
        ({**MAIL, "NSML_SMTP_URL": "smtp://a", "NSML_MAIL_TO": "{name}@b.c"}, "NSML_MAIL_TO"),
        ({**MAIL, "NSML_SMTP_URL": "smtp://a", "NSML_MAIL_TO": "a@b.c\nX: y"}, "NSML_MAIL_TO"),
        ({"NSML_WEBHOOK_URL": "file:///etc/passwd"}, "NSML_WEBHOOK_URL is http://"),
        ({"NSML_WEBHOOK_URL": "https://u:p@a/b"}, "without a user"),
        ({"NSML_WEBHOOK_URL": "https://a/b c"}, "characters"),
    ],
)
def test_settings_that_make_no_sense(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        notify.channels(environ)
