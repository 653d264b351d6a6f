"""Tests with the real frameworks, on one platform."""
