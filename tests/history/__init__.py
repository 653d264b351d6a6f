"""Tests of what the past of sessions is good for, on one platform."""
