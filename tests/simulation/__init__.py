"""The platform in a simulated world, many random histories of it, and a judge of each."""
