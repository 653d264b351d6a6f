"""Engines: where a runner is started."""
