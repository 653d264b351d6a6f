"""Start the identity service."""

from nsml_core.serve import run
from nsml_identity.service import lifespan
from nsml_identity.views import SCHEMA

if __name__ == "__main__":
    run("identity", SCHEMA, lifespan)
