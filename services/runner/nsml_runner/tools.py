"""The installer that builds bring into an image which has none, and how it is configured."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from nsml_core.errors import Refused
from nsml_runner.box import Mount
from nsml_runner.node_env import installer_env
from nsml_runner.probe import Probe

FOLDER = "/nsml/tools"
CONFIG = "/nsml/pip.conf"
QUIET = ("--disable-pip-version-check", "--progress-bar", "off", "--no-warn-script-location")
_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
_NEEDED = "pip"


def mounts(environ: Mapping[str, str] = os.environ) -> list[Mount]:
    """Return what a container that builds sees beside the code."""
    found = [(name, importlib.util.find_spec(name)) for name in _OURS]
    brought = [
        Mount(Path(spec.origin).parent, f"{FOLDER}/{name}")
        for name, spec in found
        if spec is not None and spec.origin
    ]
    if not any(mount.target.endswith(f"/{_NEEDED}") for mount in brought):
        raise Refused("The platform's own Python has no pip: run `python -m ensurepip` there.")
    config = next((file for file in _configs(environ) if file.is_file()), None)
    return [*brought, Mount(config, CONFIG)] if config else brought


def environment(probe: Probe, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of an installer; they go into no image."""
    env = {
        **installer_env(environ),
        "PIP_CONFIG_FILE": CONFIG,
        "PIP_NO_CACHE_DIR": "1",
        # The image's Python is the session's own.
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/root",
    }
    return env if probe.has_pip else {**env, "PYTHONPATH": FOLDER}


def _configs(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or "/root")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    named = [Path(environ["PIP_CONFIG_FILE"])] if environ.get("PIP_CONFIG_FILE") else []
    return [*named, config / "pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")]
