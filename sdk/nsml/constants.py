"""What the platform says about this session, read once from the environment."""

from __future__ import annotations

import os


def _datasets() -> dict[str, str]:
    text = os.environ.get("NSML_DATASETS")
    if not text:
        return {}
    import json

    return dict(json.loads(text))


def _listed(name: str) -> list[str]:
    return [each for each in os.environ.get(name, "").split(",") if each]


SESSION_NAME: str = os.environ.get("NSML_SESSION", "")
"""USER/DATASET/N; '' off the platform."""
IS_ON_NSML: bool = bool(SESSION_NAME)

DATASET_PATH: str = os.environ.get("NSML_DATASET_PATH", "")
"""The folder of the (first) dataset, read-only; '' without one."""
DATASET_NAME: str = os.environ.get("NSML_DATASET_NAME", "")
DATASETS: dict[str, str] = _datasets()
"""Every dataset of the session, name -> folder."""
HAS_DATASET: bool = bool(DATASET_PATH)
IS_DATASET: bool = HAS_DATASET
"""The older name of HAS_DATASET."""

GPU_NUM: int = int(os.environ.get("NSML_GPU_NUM") or 0)
"""GPUs of this session; 0 on CPU and off the platform, so `if GPU_NUM:` is safe."""
CPU_NUM: int = int(os.environ.get("NSML_CPU_NUM") or os.cpu_count() or 1)
"""CPU cores of this session; the machine's own number off the platform."""
MEMORY: int = int(os.environ.get("NSML_MEMORY") or 0)
"""The memory limit in bytes; 0 when there is none."""

OUTPUT_PATH: str = os.environ.get("NSML_OUTPUT", ".")
"""The folder that `nsml download` brings back; the working folder off the platform."""
NSML_NFS_OUTPUT: str = os.environ.get("NSML_NFS_OUTPUT", "")
"""A writable folder shared between sessions; '' when there is none."""

PARALLEL_WORLD: list[str] = _listed("NSML_PARALLEL_WORLD")
"""The hosts of this session; empty where there is nobody to meet: one process, one GPU or none."""
PARALLEL_PORTS: list[int] = [int(port) for port in _listed("NSML_PARALLEL_PORTS")]
"""A free port on each; processes meet at tcp://PARALLEL_WORLD[0]:PARALLEL_PORTS[0]."""
MY_RANK: int = int(os.environ.get("NSML_RANK") or 0)
"""Which of the hosts this is."""

# Where the runner listens; not part of the public face.
RUNNER_SOCKET: str = os.environ.get("NSML_SOCKET", "")
CHECKPOINT_DIR: str = os.environ.get("NSML_CHECKPOINT_DIR", os.path.join(".nsml", "checkpoints"))
