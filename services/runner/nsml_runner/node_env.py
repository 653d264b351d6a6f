"""The node's variables that user code may see: chosen by name, so that no secret is among them."""

import os
from collections.abc import Mapping

_PASSED = frozenset((
    "HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM",
    "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "CUDA_DEVICE_ORDER",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
))  # fmt: skip
_PASSED_FAMILIES = ("LC_", "NVIDIA_", "XDG_")
_INSTALLER_FAMILIES = ("PIP_", "UV_")


def passed_on(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name.startswith(_PASSED_FAMILIES)
    }


def proxies(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return how the outside is reached, which is the same in a container; nothing else is."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TZ")
    return {name: environ[name] for name in names if name in environ}


def installer_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what an installer in a container may know of this node's configuration."""
    chosen = {
        name: value for name, value in environ.items() if name.startswith(_INSTALLER_FAMILIES)
    }
    return {**proxies(environ), **chosen}


def build_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Installers also get what the user configured for them, such as where packages come from."""
    installer = {
        name: value for name, value in environ.items() if name.startswith(_INSTALLER_FAMILIES)
    }
    return {**passed_on(environ), **installer, "PYTHONUNBUFFERED": "1"}
