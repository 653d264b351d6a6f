"""Tests of the command line against a peer that speaks the real protos."""
