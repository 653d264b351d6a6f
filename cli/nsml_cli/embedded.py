"""The platform on this machine or its Swarm, if this installation can start one."""

from types import ModuleType

from nsml_core.errors import Unavailable


def module() -> ModuleType:
    """Return `nsml_local.embedded`; who uses a platform elsewhere need not have it."""
    try:
        from nsml_local import embedded
    except ModuleNotFoundError:
        raise Unavailable(
            "The embedded mode is not installed here: install nsml-local, or set the "
            "NSML_…_ADDRESS of a platform elsewhere."
        ) from None
    return embedded


def swarm() -> ModuleType:
    """Return `nsml_swarm.deploy`, which needs Docker's client."""
    from nsml_swarm import deploy

    return deploy
