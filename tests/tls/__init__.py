"""Tests of a platform on TLS, on one."""
