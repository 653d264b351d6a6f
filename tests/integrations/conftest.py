"""One platform, a person for each test, and the frameworks that may be there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import remove
from tests.journeys.conftest import ann, machine, started
from tests.journeys.person import Person

__all__ = ["ann", "machine"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bea() -> Iterator[Person]:
    """A person on a platform of two nodes."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder, NSML_NODES="2", NSML_CPUS="2")
    remove(folder)


@pytest.fixture(scope="session", autouse=True)
def frameworks() -> str:
    """The folder of the frameworks, for PYTHONPATH; they are too large to be everywhere.

    No platform is started for those who lack them.
    """
    found = list((ROOT / ".venv/integrations").glob("lib/python*/site-packages/torch"))
    if not found:
        pytest.skip("PyTorch and the frameworks are not here: `make integrations` installs them")
    return str(found[0].parent)
