"""The session service: every transition of every session, its logs, metrics and checkpoints."""
