"""Properties are tried on the same examples each time, and nothing is judged by its time."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")
