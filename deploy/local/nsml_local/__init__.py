"""The embedded mode: the real servers and services on one machine, with all state in one folder."""
