"""Waiting for a session as programs do: each look by a command would take the time of its start."""

import time
from collections.abc import Mapping

from nsml_client.client import Client
from nsml_core import settings


def wait_for_status(environ: Mapping[str, str], session: str, *statuses: str) -> str:
    """Return the first of these statuses that a session comes to have."""
    with Client(settings.read(environ)) as client:
        found = client.sessions.named(session)
        while (status := found.refresh().status) not in statuses:
            time.sleep(0.05)
    return status


def wait_for_line(environ: Mapping[str, str], session: str, text: str) -> None:
    """Return when a session has printed a line with this text."""
    with Client(settings.read(environ)) as client:
        found = client.sessions.named(session)
        printed = []
        for line in found.logs(follow=True, streams=["stdout"]):
            if text in line.text:
                return
            printed.append(line.text)
    raise AssertionError(f"{session} ended without {text!r}: {printed}")
