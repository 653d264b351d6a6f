"""Start the session service."""

from nsml_core.serve import run
from nsml_session.service import lifespan
from nsml_session.views import SCHEMA

if __name__ == "__main__":
    run("session", SCHEMA, lifespan)
