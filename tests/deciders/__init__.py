"""Decisions as data: given events, when a command, then events."""
