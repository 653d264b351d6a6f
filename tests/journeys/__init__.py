"""Tests of what people do, on one platform."""
