"""Content-addressed blobs: what datasets, code, checkpoints and outputs are stored as."""

from nsml_core.blobs.client import Client, Tree
from nsml_core.blobs.tree import Entry

__all__ = ["Client", "Entry", "Tree"]
