"""What scripts of every era run on: a laptop, and a real runner."""

from tests.runner.conftest import platform

__all__ = ["platform"]
