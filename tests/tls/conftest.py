"""One platform on TLS for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.tls import places
from tests.tls.places import Place


@pytest.fixture(scope="package")
def place() -> Iterator[Place]:
    """A platform that speaks TLS only, to those who show a certificate."""
    with places.opened() as found:
        yield found
