"""Errors as gRPC statuses, and back."""

import grpc

from nsml_core.errors import BY_CODE, Error, Unavailable


def to_grpc(error: Error) -> grpc.StatusCode:
    """Return the status code that carries this error."""
    return grpc.StatusCode[error.code]


def from_grpc(error: grpc.RpcError) -> Error:
    """Return the error that a failed call carries; what is not ours becomes `Unavailable`."""
    code = error.code()
    kind = BY_CODE.get(code.name)
    if kind is not None:
        return kind(error.details() or code.name)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable(
            "A service did not answer in time: `nsml status` shows which; try again."
        )
    return Unavailable(f"{code.name}: {error.details()}")
