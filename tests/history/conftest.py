"""One platform, and a person for each test, as in the journeys."""

from tests.journeys.conftest import ann, machine

__all__ = ["ann", "machine"]
