"""What a session may be configured with: JSON objects that fit into the log."""

import json

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import Spec

_MAX_BYTES = 200_000


def check_configuration(spec: Spec) -> None:
    """Refuse a configuration, or parameters, that no script could read."""
    _check_object("configuration", spec.config)
    _check_object("configuration", spec.config_draft)
    _check_object("parameters", spec.params)


def _check_object(what: str, text: str) -> None:
    if not text:
        return
    if len(text.encode()) > _MAX_BYTES:
        raise Invalid(f"The {what} may have {_MAX_BYTES:,} bytes: put what is large into a file.")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Invalid(f"The {what} must be one JSON object: give it as `nsml run` does.")
