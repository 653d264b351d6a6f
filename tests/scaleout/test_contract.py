"""What holds for one of each service holds for two: the same tests, between two replicas."""

from tests.services.test_missed_frames import *  # noqa: F403
from tests.services.test_terminals import *  # noqa: F403
