"""Tests of the web, on one platform."""
