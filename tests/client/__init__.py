"""Tests of the client for programs, on one platform."""
