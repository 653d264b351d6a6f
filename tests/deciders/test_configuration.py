"""A session's configuration and parameters: what is taken, and what a fork takes over."""

from typing import Any

import pytest

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import ForkRequest, Session, Spec
from nsml_session.forking import spec_of_fork
from nsml_session.specs import check_spec

CODE: dict[str, Any] = {"code_tree": "c" * 64, "entry": "main.py"}
CONFIG = '{"train": {"lr": 0.1}, "nan": NaN}'


@pytest.mark.parametrize("text", ["", "{}", CONFIG])
def test_one_object_is_taken(text: str) -> None:
    check_spec(Spec(**CODE, config=text, params=text))


@pytest.mark.parametrize("text", ["[1]", "1", "{", '"x"', "{} {}", "[" * 100_000])
@pytest.mark.parametrize("field", ["config", "params"])
def test_anything_else_is_refused(field: str, text: str) -> None:
    with pytest.raises(Invalid, match="must be one JSON object"):
        check_spec(Spec(**{**CODE, field: text}))


def test_what_is_large_belongs_into_a_file() -> None:
    with pytest.raises(Invalid, match="may have 200,000 bytes"):
        check_spec(Spec(**CODE, config='{"a": "' + "é" * 100_000 + '"}'))


def test_a_fork_takes_over_what_it_does_not_change() -> None:
    parent = Session(spec=Spec(**CODE, config=CONFIG, params='{"lr": 1}', config_draft="{}"))

    assert spec_of_fork(parent, ForkRequest()) == parent.spec
    changed = spec_of_fork(parent, ForkRequest(config="{}", params=""))
    assert (changed.config, changed.params, changed.config_draft) == ("{}", "", "")
