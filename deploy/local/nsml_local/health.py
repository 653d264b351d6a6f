"""Whether a service says that it serves: the standard gRPC health check."""

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from nsml_core import channels
from nsml_core.tls import Tls

_SECONDS = 2.0


def serves(address: str, secured: Tls | None = None) -> bool:
    # A new channel each time: an old one waits a second after a refused connection.
    with channels.connect_blocking(address, secured) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        try:
            reply = check(HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError:
            return False
    return bool(reply.status == HealthCheckResponse.SERVING)
