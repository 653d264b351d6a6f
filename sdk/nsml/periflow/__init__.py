"""What `import periflow_sdk as pf` gives: steps, metrics and checkpoints as PeriFlow has them."""

from nsml.periflow.calls import (
    end_step,
    get_current_step,
    init,
    is_checkpoint_exist,
    is_emergency_save,
    load,
    metric,
    periflow,
    save,
    start_step,
    train_step,
    upload_checkpoint,
)
from nsml.periflow.errors import PeriFlowError, PeriFlowInternalError
from nsml.periflow.manager import TrainingManager

__all__ = [
    "PeriFlowError",
    "PeriFlowInternalError",
    "TrainingManager",
    "end_step",
    "get_current_step",
    "init",
    "is_checkpoint_exist",
    "is_emergency_save",
    "load",
    "metric",
    "periflow",
    "save",
    "start_step",
    "train_step",
    "upload_checkpoint",
]
