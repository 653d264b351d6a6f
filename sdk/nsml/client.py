"""The platform for programs: what the `nsml` command can do; docs/client.md describes it."""

try:
    from nsml_client import errors
    from nsml_client.aio import AsyncClient
    from nsml_client.client import Client, connect
    from nsml_client.modes import Async, Sync
    from nsml_client.session import Session
except ModuleNotFoundError as error:
    if error.name != "nsml_client":
        raise
    raise ModuleNotFoundError(
        "nsml.client is an extra: `pip install 'nsml[client]'`, with Python 3.11 or newer.",
        name=error.name,
    ) from None

__all__ = ["Async", "AsyncClient", "Client", "Session", "Sync", "connect", "errors"]
