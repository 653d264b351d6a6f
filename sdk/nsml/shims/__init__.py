"""Modules of other names that existing scripts import, and that lead to NSML."""
