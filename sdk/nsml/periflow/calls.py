"""What scripts call as `pf.…`: all of one training run."""

from nsml.periflow.manager import TrainingManager

periflow = TrainingManager()
"""By this name scripts of early 2022 import it."""

init = periflow.init
start_step = periflow.start_step
end_step = periflow.end_step
train_step = periflow.train_step
is_emergency_save = periflow.is_emergency_save
metric = periflow.metric
upload_checkpoint = periflow.upload_checkpoint
save = periflow.save
load = periflow.load
is_checkpoint_exist = periflow.is_checkpoint_exist
get_current_step = periflow.get_current_step
