"""Board files: YAML, with what is agreed before anybody competes."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from nsml_client import names
from nsml_core.errors import Invalid, NotFound
from nsml_protos.board_pb2 import Terms

_RATE = re.compile(r"(\d+)\s*/\s*(\S+)")
_DIRECTIONS = {"higher": Terms.HIGHER, "lower": Terms.LOWER}


class BoardFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of board.yml; docs/competitions.md explains each."""

    dataset: str = ""
    metric: str = ""
    direction: Literal["higher", "lower"] = "higher"
    description: str = ""
    start: datetime | None = None
    end: datetime | None = None
    rate: str = ""
    failures: int = 0
    time_limit: str | int = ""
    evaluation_time: str | int = ""
    cpus: int = 0
    prediction_size: str | int = ""
    public_share: float = 0.0
    labels: str = ""
    private_labels: str = ""
    sandbox: Literal["", "docker"] = ""
    hold: str | int = ""
    keep_predictions: bool = True


def read(path: str) -> Terms:
    """Read a board file; without one, every term has its default."""
    return terms(_converted(Path(path)) if path else BoardFile())


def _converted(file: Path) -> BoardFile:
    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, RecursionError):
        raise Invalid(f"{file} is no YAML: write lines such as `metric: accuracy`.") from None
    try:
        return msgspec.convert(content or {}, BoardFile)
    except msgspec.ValidationError as error:
        raise Invalid(f"{file}: {error}.") from None


def terms(file: BoardFile) -> Terms:
    """Return what a board file says as the platform keeps it."""
    found = Terms(
        dataset=file.dataset,
        metric=file.metric,
        direction=_DIRECTIONS[file.direction],
        description=file.description,
        failures=file.failures,
        time_limit_seconds=_seconds(file.time_limit),
        evaluation_seconds=_seconds(file.evaluation_time),
        cpus=file.cpus,
        prediction_bytes=names.memory(file.prediction_size) if file.prediction_size else 0,
        public_share=file.public_share,
        labels=file.labels,
        private_labels=file.private_labels,
        sandbox=file.sandbox,
        hold_seconds=_seconds(file.hold),
        forget_predictions=not file.keep_predictions,
    )
    if file.rate:
        rate = _RATE.fullmatch(file.rate)
        if not rate or not int(rate[1]):
            raise Invalid(f"{file.rate!r} is no rate: write it like 1/1h, or 3/1d.")
        found.successes, found.window_seconds = int(rate[1]), names.seconds(rate[2])
    for name, time in (("start", file.start), ("end", file.end)):
        if time is not None:
            getattr(found, name).FromDatetime(time.astimezone(UTC).replace(tzinfo=None))
    return found


def _seconds(given: str | int) -> int:
    return names.seconds(str(given)) if given else 0
