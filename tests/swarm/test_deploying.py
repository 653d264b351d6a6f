"""What is decided as a platform is deployed: where its services are, what is renewed and ready."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nsml_core.errors import Refused
from nsml_swarm import labels, secrets
from nsml_swarm.converged import State, state
from nsml_swarm.secrets import PARTS, Certificate

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOSTS = secrets.hosts("nsml.example")


def node(name: str, services: str = "", role: str = "manager") -> dict[str, Any]:
    spec = {"Role": role, "Labels": {"nsml.services": services} if services else None}
    return {
        "Spec": spec,
        "Description": {"Hostname": name},
        "Status": {"Addr": f"10.0.0.{name[1:]}"},
    }


def test_both_halves_are_on_one_node_with_ports_of_their_own() -> None:
    first, second = labels.halves([node("n1", "yes"), node("n2")], shares_blobs=False)

    assert (first.server, second.server) == ("10.0.0.1:7400", "10.0.0.1:7410")
    assert first.label == second.label == "yes"


def test_the_second_half_is_on_another_manager_that_shares_the_blobs() -> None:
    nodes = [node("n1", "yes"), node("n2", "second")]
    first, second = labels.halves(nodes, shares_blobs=True)

    assert (first.label, second.label) == ("yes", "second")
    assert second.server == "10.0.0.2:7410"
    with pytest.raises(Refused, match="n2 do not reach the folder of blobs on n1: set NSML_BLOBS"):
        labels.halves(nodes, shares_blobs=False)


def test_services_are_on_managers() -> None:
    nodes = [node("n1", "yes"), node("n2", "second", role="worker")]
    with pytest.raises(Refused, match="docker node promote n2"):
        labels.halves(nodes, shares_blobs=True)


def certificate(part: str, days: int, host: str = "") -> Certificate:
    return Certificate(part, 1, host or HOSTS[part], NOW + timedelta(days=days))


def test_certificates_that_are_good_for_long_are_left_alone() -> None:
    known = {part: certificate(part, 31) for part in PARTS}
    assert secrets.due(known, HOSTS, NOW) == []


def test_what_ends_soon_is_renewed_one_part_after_another() -> None:
    known = {part: certificate(part, 29) for part in PARTS}
    assert secrets.due(known, HOSTS, NOW) == [[part] for part in PARTS]


def test_what_has_ended_is_renewed_together_since_it_serves_nobody() -> None:
    known = {part: certificate(part, -1 if part.startswith("nats") else 31) for part in PARTS}
    assert secrets.due(known, HOSTS, NOW) == [["nats-1", "nats-2", "nats-3"]]


def test_a_web_of_another_name_gets_another_certificate() -> None:
    known = {part: certificate(part, 365) for part in PARTS}
    known["web"] = certificate("web", 365, host="old.example")
    assert secrets.due(known, HOSTS, NOW) == [["web"]]


def test_of_several_secrets_the_newest_counts_and_one_without_notes_ends_a_year_after_it() -> None:
    def secret(name: str, **noted: str) -> dict[str, Any]:
        return {
            "Spec": {"Name": name, "Labels": noted},
            "CreatedAt": "2026-06-01T10:00:00.123456789Z",
        }

    until = {"nsml.host": "web.example", "nsml.until": "2028-01-01T00:00:00+00:00"}
    found = secrets.newest(
        [
            secret("nsml_tls_web_cert.10", **until),
            secret("nsml_tls_web_cert.9"),
            secret("nsml_tls_web_cert"),
            secret("nsml_tls_nats-1_cert"),
            secret("nsml_tls_ca"),
            secret("nsml_tls_web_key.11"),
        ]
    )

    assert found == {
        "web": Certificate("web", 10, "web.example", datetime(2028, 1, 1, tzinfo=UTC)),
        "nats-1": Certificate("nats-1", 1, "", datetime(2027, 6, 1, 10, tzinfo=UTC)),
    }


OLD, NEW = ({"ContainerSpec": {"Image": name}} for name in ("old", "new"))


def service(update: str = "", template: dict[str, Any] = NEW) -> dict[str, Any]:
    return {
        "Spec": {"TaskTemplate": template, "Mode": {"Replicated": {"Replicas": 1}}},
        **({"UpdateStatus": {"State": update}} if update else {}),
    }


def task(template: dict[str, Any], now: str = "running", wanted: str = "running") -> dict[str, Any]:
    return {"Spec": template, "Status": {"State": now}, "DesiredState": wanted}


@pytest.mark.parametrize(
    ("service", "tasks", "expected"),
    [
        (service(), [task(NEW)], State.READY),
        (service("completed"), [task(OLD, "shutdown", "shutdown"), task(NEW)], State.READY),
        (service(), [], State.ON_ITS_WAY),
        (service(), [task(OLD)], State.ON_ITS_WAY),
        (service(), [task(NEW, "starting")], State.ON_ITS_WAY),
        (service(), [task(NEW, wanted="shutdown")], State.ON_ITS_WAY),
        (service("updating"), [task(NEW)], State.ON_ITS_WAY),
        (service("rollback_completed", OLD), [task(OLD)], State.WENT_BACK),
        (service(template={**NEW, "Placement": {"Constraints": []}}), [task(NEW)], State.READY),
    ],
)
def test_a_service_is_ready_when_its_newest_tasks_run(
    service: dict[str, Any], tasks: list[dict[str, Any]], expected: State
) -> None:
    assert state(service, tasks) is expected
