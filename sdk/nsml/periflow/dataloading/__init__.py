"""Samplers that can go on in the middle of an epoch."""
