"""What lets the frameworks that people train with speak to NSML; each imports its framework."""
