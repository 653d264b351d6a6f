"""Start the scheduler service."""

from nsml_core.serve import run
from nsml_scheduler.service import lifespan
from nsml_scheduler.views import SCHEMA

if __name__ == "__main__":
    run("scheduler", SCHEMA, lifespan, alone=True)
