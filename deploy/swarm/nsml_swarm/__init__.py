"""The platform on a Docker Swarm: its stack, and what deploys it."""
