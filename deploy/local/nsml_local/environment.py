"""What of the caller's environment the services see."""

import os
from collections.abc import Mapping

from nsml_core.settings import Settings
from nsml_local.home import Home

MARK = "NSML_EMBEDDED"
"""Names the home to which a process belongs. `NSML_HOME` cannot: people's own shells export it."""

_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
    # What builds of environments need to reach their packages.
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH"),
}
# Set for the code of one session, from which somebody may well type `nsml up`.
_OF_SESSIONS = {"NSML_SOCKET", "NSML_OUTPUT", "NSML_CHECKPOINT_DIR", "NSML_SESSION", "NSML_ATTEMPT"}
_OURS = "127.0.0.1,localhost"
_PREFIXES = ("LC_", "DOCKER_", "PIP_", "UV_", "OTEL_", "NSML_", "CUDA_", "NVIDIA_", "AWS_")


def services_environment(
    at: Home, settings: Settings, environ: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of the supervisor, and so of everything it starts."""
    allowed = {
        name: value
        for name, value in environ.items()
        if (name.upper() in _NAMES or name.startswith(_PREFIXES)) and name not in _OF_SESSIONS
    }
    # No proxy leads to the parts of this machine's own platform.
    direct = ",".join(filter(None, [environ.get("no_proxy") or environ.get("NO_PROXY"), _OURS]))
    return allowed | {
        MARK: os.path.realpath(at.folder),
        "NSML_HOME": str(at.folder),
        "NSML_NATS_URL": settings.nats_url or at.nats_url,
        "NSML_NATS_MONITOR_URL": settings.nats_monitor_url or at.monitor_url,
        "NSML_POSTGRES_URL": settings.postgres_url or at.postgres_url,
        "NSML_BLOBS_URL": settings.blobs_url,
        "NSML_WEB_ADDRESS": settings.web_address or at.web_address,
        "no_proxy": direct,
        "NO_PROXY": direct,
        "PYTHONUNBUFFERED": "1",
    }
