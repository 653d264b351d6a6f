"""Start the dataset service."""

from nsml_core.serve import run
from nsml_dataset.service import lifespan
from nsml_dataset.views import SCHEMA

if __name__ == "__main__":
    run("dataset", SCHEMA, lifespan)
