"""The identity service: who is there."""
