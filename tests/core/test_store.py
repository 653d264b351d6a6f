"""The store of aggregates: what it believes, the log corrects."""

import subprocess
import sys

import pytest

from nsml_core.errors import AlreadyExists
from nsml_core.log import Log
from nsml_core.store import Store
from nsml_protos.identity_pb2 import Registered, User
from tests.core.examples import PEOPLE, context, registers


def only_once(state: User) -> list[Registered]:
    if state.name:
        raise AlreadyExists(f"{state.name} is taken.")
    return [Registered(name="ann")]


async def test_what_is_believed_new_and_is_not_is_decided_on_as_it_is(the_log: Log) -> None:
    await Store(the_log, PEOPLE).decide("ann", context(), registers("ann"))

    with pytest.raises(AlreadyExists):
        await Store(the_log, PEOPLE).decide("ann", context(), only_once, is_new=True)


async def test_what_is_new_is_kept_as_it_was_decided(the_log: Log) -> None:
    store = Store(the_log, PEOPLE)
    await store.decide("ann", context(), only_once, is_new=True)

    again = await store.decide("ann", context(), registers("ann", admin=True))

    assert again.admin
    assert len(await the_log.read(PEOPLE.subject("ann"))) == 2


def test_an_event_of_a_service_that_nobody_here_has_imported_is_known() -> None:
    known = "from nsml_core.entry import kind; print(kind('/nsml.BoardOpened').DESCRIPTOR.name)"
    done = subprocess.run([sys.executable, "-c", known], capture_output=True, text=True, check=True)

    assert done.stdout == "BoardOpened\n"
