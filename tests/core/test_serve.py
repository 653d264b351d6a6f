"""What a service says that cannot start."""

import os
import subprocess
import sys

from nsml_local.home import Home

_STARTS = """
import runpy
from nsml_core import database
database._STARTING_SECONDS = 0.0
runpy.run_module("nsml_ledger", run_name="__main__")
"""


def test_without_postgresql_it_says_so_in_one_sentence_and_ends(nats: Home) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("NSML_")}
    environ = {
        **known,
        "NSML_HOME": str(nats.folder),
        "NSML_NATS_URL": nats.nats_url,
        "NSML_NATS_MONITOR_URL": nats.monitor_url,
        "NSML_POSTGRES_URL": "postgresql://127.0.0.1:1/nsml",
    }
    done = subprocess.run(
        [sys.executable, "-c", _STARTS], env=environ, check=False, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.endswith("PostgreSQL does not answer: look at logs/postgres.log in NSML_HOME.")
