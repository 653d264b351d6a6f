"""Tests of blobs, in part against a real service in its own process."""
