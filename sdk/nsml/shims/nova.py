"""The SDK's name in 2023: `import nova` gives the very module that `import nsml` gives."""

import sys

import nsml
from nsml import constants

sys.modules[__name__] = nsml
sys.modules[f"{__name__}.constants"] = constants
