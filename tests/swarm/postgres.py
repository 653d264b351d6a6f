"""PostgreSQL with TLS, as a distribution builds it: that of the wheels was built without."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.swarm.folders import Unavailable

# Without what its packages would set up, since postgres.sh does that, and without what they need
# for other things than to serve.
DOCKERFILE = """FROM {base}
COPY . /packages
RUN for each in /packages/postgresql-[0-9]*.deb /packages/lib*.deb; do \\
        case $each in *libllvm* | *libz3* | *libperl*) ;; *) dpkg-deb --extract $each / ;; esac; \\
    done && \\
    mv /packages/postgres.sh / && rm -r /packages && ldconfig
ENTRYPOINT ["sh", "/postgres.sh"]
"""
_STATUS = "./var/lib/dpkg/status"


def brought(cache: Path, base: Path) -> Path:
    """Return a folder with the packages that an image lacks to run it, brought once."""
    found = cache / "postgres"
    if not found.exists():
        draft = Path(tempfile.mkdtemp(dir=cache))
        try:
            _fetch(draft, base)
            draft.rename(found)
        except BaseException:
            shutil.rmtree(draft)
            raise
    return found


def _fetch(folder: Path, base: Path) -> None:
    """Ask apt for what it would install where no more is than in the image."""
    with tempfile.TemporaryDirectory(prefix="nsml-apt-") as place, tarfile.open(base) as image:
        image.extract(_STATUS, place, filter="data")
        archives = Path(place) / "archives"
        (archives / "partial").mkdir(parents=True)
        words = ["apt-get", "--quiet=2", "--yes", "--no-install-recommends", "--download-only"]
        words += ["-o", f"Dir::State::status={place}/{_STATUS}", "-o", "Debug::NoLocking=1"]
        words += ["-o", f"Dir::Cache::archives={archives}", "install", "postgresql"]
        made = subprocess.run(words, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            last = made.stderr.strip().splitlines()[-1:]
            raise Unavailable(f"PostgreSQL cannot be brought: {' '.join(last)[:200]}")
        for file in archives.glob("*.deb"):
            shutil.move(file, folder)
