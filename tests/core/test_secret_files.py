"""Secrets that come as files."""

from pathlib import Path

import pytest

from nsml_core import secret_files, settings
from nsml_core.errors import Invalid


def test_a_file_stands_for_the_variable_that_it_is_named_after(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("nats://nsml:secret@nats:4222\n")
    environ = {"NSML_NATS_URL_FILE": str(tmp_path / "url"), "NSML_POSTGRES_URL_FILE": ""}

    assert secret_files.read(environ) == {"NSML_NATS_URL": "nats://nsml:secret@nats:4222"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"NSML_NATS_URL_FILE names .*, which cannot be read"):
        secret_files.read({"NSML_NATS_URL_FILE": str(tmp_path / "none")})


def test_the_signing_key_may_be_one_of_them(tmp_path: Path) -> None:
    given = settings.read({"NSML_HOME": str(tmp_path), "NSML_SECRET_FILE": "/run/secrets/key"})

    assert given.secret_file == Path("/run/secrets/key")
    assert settings.read({"NSML_HOME": str(tmp_path)}).secret_file == tmp_path / "secret"


@pytest.mark.parametrize("name", ["NSML_LOG_REPLICAS", "NSML_ENGINE"])
def test_words_that_nobody_knows_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=f"{name} is '2': set it to one of"):
        settings.read({"NSML_HOME": str(tmp_path), name: "2"})
