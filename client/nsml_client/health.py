"""Whether a service serves: `python -m nsml_client.health SERVICE HOST:PORT`, for health checks.

Such are made every few seconds, so this one starts without grpcio.
"""

import sys

from nsml_client.rpc import Call, Connection, Where
from nsml_core import settings
from nsml_core.errors import Error

_SECONDS = 5.0
_SERVING = b"\x08\x01"
"""A HealthCheckResponse whose status is SERVING."""


def serves(where: Where) -> bool:
    """Ask by the standard gRPC health check."""
    call = Call("/grpc.health.v1.Health/Check", b"")
    call.limit(_SECONDS)
    try:
        connection = Connection(where, _SECONDS)
        try:
            return list(connection.replies(call)) == [_SERVING]
        finally:
            connection.close()
    except (Error, OSError):
        return False


def main() -> int:
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program and its two arguments
        sys.stderr.write("usage: python -m nsml_client.health SERVICE HOST:PORT\n")
        return 2
    _, service, address = sys.argv
    return 0 if serves(Where(service, address, settings.read().tls)) else 1


if __name__ == "__main__":
    sys.exit(main())
