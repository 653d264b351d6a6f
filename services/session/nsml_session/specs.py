"""What may be asked for: a specification that could never run is refused, with a reason."""

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import Spec
from nsml_session.configuration import check_configuration
from nsml_session.environments import check_container, check_environment
from nsml_session.jobs import check_job, check_tags

_ARGS_MAX_BYTES = 100_000
_RESTARTS_MAX = 100
_AFTER_MAX = 100
_NODES_MAX = 1_000


def check_spec(spec: Spec) -> None:
    """Refuse a specification that could never run."""
    if spec.HasField("job"):
        check_job(spec)
    elif not spec.entry or spec.entry.startswith("/") or ".." in spec.entry.split("/"):
        raise Invalid(f"The entry '{spec.entry}' is not a file inside the code folder.")
    if not spec.code_tree:
        raise Invalid("There is no code to run.")
    _check_amounts(spec)
    size = sum(map(len, spec.args)) + sum(len(k) + len(v) for k, v in spec.env.items())
    if size > _ARGS_MAX_BYTES:
        raise Invalid(f"Arguments and environment hold at most {_ARGS_MAX_BYTES} characters.")
    if any("\0" in text for text in (spec.entry, *spec.args, *spec.env, *spec.env.values())):
        raise Invalid("Arguments and environment cannot hold a NUL character.")
    if any(not name or "=" in name for name in spec.env):
        raise Invalid("A variable's name is not empty and has no = in it.")
    check_environment(spec)
    check_container(spec)
    check_configuration(spec)
    check_tags(spec.tags)
    names = [mount.dataset for mount in spec.datasets]
    if len(names) != len(set(names)):
        raise Invalid("The same dataset is named twice: a session sees one revision of each.")


def _check_amounts(spec: Spec) -> None:
    if spec.resources.nodes > _NODES_MAX:
        raise Invalid(f"A session runs on at most {_NODES_MAX} nodes.")
    if spec.restarts > _RESTARTS_MAX:
        raise Invalid(f"A session is restarted at most {_RESTARTS_MAX} times.")
    if len(spec.after) > _AFTER_MAX:
        raise Invalid(f"A session waits for at most {_AFTER_MAX} others.")
