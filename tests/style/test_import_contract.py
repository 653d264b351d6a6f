"""The contract type that we add to import-linter: what is not allowed by name breaks it."""

import pytest
from grimp import ImportGraph
from importlinter import ContractCheck

from scripts.import_contract import OnlyContract


def check(*imports: tuple[str, str], library: str = "false") -> ContractCheck:
    """Hold `pure` to a contract that allows `errors` and `google`, in a graph of these imports."""
    graph = ImportGraph()
    for name in {"a.pure", *(name for pair in imports for name in pair)}:
        graph.add_module(name)
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    options = {
        "modules": ["a.pure"],
        "allowed": ["b.errors", "google"],
        "standard_library": library,
        "exempt": ["a.door"],
    }
    return OnlyContract("n", {}, options).check(graph, verbose=False)


@pytest.mark.parametrize("allowed", ["b.errors", "google", "google.protobuf"])
def test_what_is_allowed_keeps_it(allowed: str) -> None:
    assert check(("a.pure", allowed)).kept


@pytest.mark.parametrize("forbidden", ["time", "b", "b.errors_of_another", "numpy"])
def test_anything_else_breaks_it(forbidden: str) -> None:
    result = check(("a.pure", forbidden))

    assert result.metadata["broken"] == [("a.pure", forbidden)]


def test_a_detour_through_our_own_module_breaks_it() -> None:
    result = check(("a.pure", "a.helper"), ("a.helper", "time"))

    assert result.metadata["broken"] == [("a.helper", "time")]


def test_a_circle_ends() -> None:
    assert check(("a.pure", "a.helper"), ("a.helper", "a.pure")).kept


def test_what_nobody_asked_for_is_not_checked() -> None:
    assert check(("a.other", "time")).kept


def test_the_standard_library_is_allowed_as_a_whole() -> None:
    assert check(("a.pure", "time"), library="true").kept
    assert not check(("a.pure", "numpy"), library="true").kept


def test_what_is_exempt_may_import_anything_and_nobody_may_import_it() -> None:
    assert check(("a.door", "numpy")).kept

    result = check(("a.pure", "a.door"), ("a.door", "numpy"))

    assert result.metadata["broken"] == [("a.pure", "a.door")]
