"""A platform of our own to measure: started in a fresh folder, stopped and removed afterwards."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nsml_core.settings import Settings, read

NSML = str(Path(sys.executable).with_name("nsml"))


@dataclass(frozen=True)
class Platform:
    """A folder to run the platform in, and the environment that its commands need."""

    home: Path
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return read(self.environment)

    def up(self) -> None:
        self.nsml("up")

    def down(self) -> None:
        self.nsml("down")

    def nsml(self, *words: str, folder: Path | None = None) -> str:
        """Run a command and return what it printed."""
        done = subprocess.run(
            [NSML, *words],
            env=self.environment,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"nsml {' '.join(words)} failed: {done.stderr}")
        return done.stdout


@contextmanager
def stopped(cpus: int = 64, settings: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """Yield a platform that is not up yet; whatever runs of it at the end is stopped."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("NSML_")}
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder:
        home = Path(folder) / "home"
        environment = {**ours, "NSML_HOME": str(home), "NSML_CPUS": str(cpus), **(settings or {})}
        platform = Platform(home, environment)
        try:
            yield platform
        finally:
            platform.down()


@contextmanager
def running(cpus: int = 64, settings: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """Yield a platform that is up."""
    with stopped(cpus, settings) as platform:
        platform.up()
        yield platform


@contextmanager
def code(source: str) -> Iterator[Path]:
    """Yield a folder whose main.py has this source."""
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder:
        (Path(folder) / "main.py").write_text(source)
        yield Path(folder)
