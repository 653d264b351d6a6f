"""The process beside one running session attempt."""
