"""Forks: what a new session takes over from the one that it is made of."""

from nsml_protos.session_pb2 import ForkRequest, Session, Spec
from nsml_session.environments import take_environment
from nsml_session.jobs import check_command


def spec_of_fork(parent: Session, request: ForkRequest) -> Spec:
    """Return the parent's spec with what the request puts in its place; the seed stays."""
    spec = Spec()
    spec.CopyFrom(parent.spec)
    del spec.after[:]  # the parent has waited for them
    _choose_environment(parent, request, spec)
    check_command(spec, request)
    if request.HasField("entry"):
        spec.entry = request.entry
    if request.new_args:
        del spec.args[:]
        spec.args.extend(request.args)
    if request.HasField("gpus"):
        spec.resources.gpus = request.gpus
    if request.HasField("cpus"):
        spec.resources.cpus = request.cpus
    if request.HasField("memory_bytes"):
        spec.resources.memory_bytes = request.memory_bytes
    if request.HasField("nodes"):
        spec.resources.nodes = request.nodes
    if request.HasField("restarts"):
        spec.restarts = request.restarts
    if request.HasField("config"):
        spec.config = request.config
        spec.config_draft = request.config_draft
    if request.HasField("params"):
        spec.params = request.params
    return spec


def _choose_environment(parent: Session, request: ForkRequest, spec: Spec) -> None:
    if request.new_environment or request.python:
        spec.packages[:] = request.packages
        spec.python = request.python
    else:
        take_environment(parent, spec)
