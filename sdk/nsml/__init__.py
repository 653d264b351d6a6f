"""What training code imports to save checkpoints, report metrics and find its data on NSML."""

from nsml.bindings import bind, infer
from nsml.checkpoints import load, save
from nsml.configuration import config as config
from nsml.constants import (
    CPU_NUM,
    DATASET_NAME,
    DATASET_PATH,
    DATASETS,
    GPU_NUM,
    HAS_DATASET,
    IS_DATASET,
    IS_ON_NSML,
    MEMORY,
    MY_RANK,
    NSML_NFS_OUTPUT,
    OUTPUT_PATH,
    PARALLEL_PORTS,
    PARALLEL_WORLD,
    SESSION_NAME,
)
from nsml.defaults import copy as copy
from nsml.entry import paused
from nsml.late import Visdom, cache
from nsml.metrics import report
from nsml.records import histogram as histogram
from nsml.records import image as image
from nsml.records import table as table
from nsml.records import text as text

# Without copy and config: `from nsml import *` must not hide modules of these names. Nor is it to
# hide what a script may well call image, text or table.
__all__ = [
    "CPU_NUM",
    "DATASETS",
    "DATASET_NAME",
    "DATASET_PATH",
    "GPU_NUM",
    "HAS_DATASET",
    "IS_DATASET",
    "IS_ON_NSML",
    "MEMORY",
    "MY_RANK",
    "NSML_NFS_OUTPUT",
    "OUTPUT_PATH",
    "PARALLEL_PORTS",
    "PARALLEL_WORLD",
    "SESSION_NAME",
    "Visdom",
    "bind",
    "cache",
    "infer",
    "load",
    "paused",
    "report",
    "save",
]
