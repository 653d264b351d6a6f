"""Tests of a whole platform, on one."""
