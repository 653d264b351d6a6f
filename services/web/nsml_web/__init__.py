"""The web: everything that the terminal can do, for eyes."""
