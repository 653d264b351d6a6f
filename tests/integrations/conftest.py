"""One platform a worker, a person for each test, and the frameworks that may be there."""

from pathlib import Path

import pytest

from tests.journeys.conftest import ann, machine

__all__ = ["ann", "machine"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def frameworks() -> str:
    """The folder of the frameworks, for PYTHONPATH; they are too large to be everywhere."""
    found = list((ROOT / ".venv/integrations").glob("lib/python*/site-packages/torch"))
    if not found:
        pytest.skip("PyTorch and the frameworks are not here: `make integrations` installs them")
    return str(found[0].parent)
