"""Chooses the ground of an attempt by the settings of its node."""

import importlib
import os
from pathlib import Path

from nsml_core.settings import Settings
from nsml_runner.feed import Feed
from nsml_runner.ground import Ground
from nsml_runner.ground_process import ProcessGround
from nsml_runner.node import Node
from nsml_runner.workdir import WorkDir

INSIDE = Path("/nsml")
"""Where a container sees what is the session's."""

_DOCKER = "nsml_runner.ground_docker"


def warm(node: Node) -> None:
    """Import what this node needs, and only that: Docker's package is large."""
    if node.sandbox == "docker":
        importlib.import_module(_DOCKER)


def work_dir(folder: Path, node: Node) -> WorkDir:
    if node.sandbox == "process":
        return WorkDir(folder)
    return WorkDir(folder, INSIDE, node.uid if os.getuid() == 0 else None)


def choose(node: Node, work: WorkDir, settings: Settings, feed: Feed) -> Ground:
    if node.sandbox == "process":
        return ProcessGround(work, settings, feed)
    ground: Ground = importlib.import_module(_DOCKER).DockerGround(node, work, settings, feed)
    return ground
