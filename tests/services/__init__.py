"""Each service's face, on real servers."""
