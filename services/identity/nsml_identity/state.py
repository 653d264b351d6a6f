"""What is true of a person, and how each event changes it."""

from datetime import datetime

from nsml_core.decider import Aggregate, stamp
from nsml_protos.identity_pb2 import Registered, User


def evolve(state: User, event: Registered, time: datetime) -> None:
    """Apply one event."""
    state.name = event.name
    state.admin = event.admin
    stamp(state.registered, time)


USER = Aggregate("identity", User, Registered, evolve)
