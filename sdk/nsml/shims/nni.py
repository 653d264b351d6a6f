"""The trial's side of NNI: `import nni` gives the module that speaks of trials on NSML."""

import sys

from nsml import trial, trial_utils

sys.modules[__name__] = trial
sys.modules[f"{__name__}.trial"] = trial
sys.modules[f"{__name__}.utils"] = trial_utils
