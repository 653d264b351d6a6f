"""PeriFlow's SDK by its own name: `import periflow_sdk as pf` gives the module that NSML has."""

import sys

from nsml import periflow
from nsml.periflow import dataloading, errors
from nsml.periflow.dataloading import sampler

sys.modules[__name__] = periflow
sys.modules[f"{__name__}.errors"] = errors
sys.modules[f"{__name__}.dataloading"] = dataloading
sys.modules[f"{__name__}.dataloading.sampler"] = sampler
