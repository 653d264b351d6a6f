"""The past, or a trace of another cluster, under a policy: what if."""
