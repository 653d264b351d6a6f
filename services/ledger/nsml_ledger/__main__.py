"""Start the ledger service."""

from nsml_core.serve import run
from nsml_ledger.service import lifespan
from nsml_ledger.views import SCHEMA

if __name__ == "__main__":
    run("ledger", SCHEMA, lifespan)
