"""Who may be known, and that known people stay as they are."""

import pytest

from nsml_core.errors import Invalid
from nsml_identity import decide
from nsml_identity.state import USER
from nsml_protos.identity_pb2 import Registered
from tests.deciders.given import given


def test_a_person_is_registered_once() -> None:
    given(USER).when(lambda state: decide.register(state, name="ann", admin=True)).then_once(
        Registered(name="ann", admin=True)
    )


def test_a_known_person_does_not_become_an_admin_by_registering() -> None:
    given(USER, Registered(name="ann")).when(
        lambda state: decide.register(state, name="ann", admin=True)
    ).then()


@pytest.mark.parametrize("name", ["", "-ann", "_ann", "an n", "a" * 21, "ännchen", "a/b", "a.b\n"])
def test_a_name_is_portable(name: str) -> None:
    given(USER).when(lambda state: decide.register(state, name=name, admin=False)).refused(
        Invalid, "cannot be a user's name"
    )
