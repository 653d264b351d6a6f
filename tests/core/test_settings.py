"""Where the services of a platform are, from the words of its environment."""

from nsml_core import settings


def test_several_rows_of_ports_are_the_replicas_of_every_service() -> None:
    found = settings.read({"NSML_SERVER": "10.0.0.1:7400,10.0.0.2:7410"})

    assert found.addresses["identity"] == "10.0.0.1:7400,10.0.0.2:7410"
    assert found.addresses["session"] == "10.0.0.1:7403,10.0.0.2:7413"
