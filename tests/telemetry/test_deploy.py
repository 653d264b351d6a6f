"""The dashboard and the alerts ask for what the platform sends."""

import json
import re
from pathlib import Path

import pytest

from tests.telemetry.names import METRICS, in_prometheus

FOLDER = Path(__file__).parents[2] / "deploy" / "otel"
SERIES = re.compile(r"\b(?:nsml|rpc|messaging)_[a-z_]+(?=[{\[]|$|\))", re.MULTILINE)
LABELS = {
    "nsml_session_status", "nsml_device_state", "nsml_view_name", "rpc_method", "error_type",
    "messaging_destination_template",
}  # fmt: skip


def dashboard() -> str:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return "\n".join(target["expr"] for panel in panels for target in panel["targets"])


def rules() -> str:
    return (FOLDER / "rules.yaml").read_text()


@pytest.mark.parametrize("text", [dashboard(), rules()], ids=["dashboard", "rules"])
def test_only_series_that_are_sent_are_asked_for(text: str) -> None:
    sent = {series for _, name, unit in METRICS for series in in_prometheus(name, unit)}
    asked = set(SERIES.findall(text)) - LABELS

    assert asked
    assert asked - sent == set()


def test_the_dashboard_shows_every_metric_of_ours() -> None:
    asked = set(SERIES.findall(dashboard()))
    ours = {(name, unit) for _, name, unit in METRICS if name.startswith("nsml.")}

    assert [name for name, unit in ours if not in_prometheus(name, unit) & asked] == []
