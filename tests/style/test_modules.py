"""How Python is written here: small functions and files, one sentence to open, no clutter."""

import ast
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tests.style.repository import (
    assert_only_shrinks,
    files_named,
    modules,
    project,
    projects,
    ratchet,
    text,
    tree,
)

FUNCTION_LINES = 40
FILE_LINES = 300
BROAD = {"Exception", "BaseException"}
EXTRAS = "optional-dependencies"

PURE = (
    *("nsml_*/state.py", "nsml_*/decide.py", "nsml_ledger/rates.py", "nsml_scheduler/policy/*.py"),
    *("nsml_session/idle.py", "nsml_session/loss.py"),
    *("nsml_ledger/allowance.py", "nsml_ledger/audit.py"),
)

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_functions_fit_on_a_screen() -> None:
    lengths = {
        f"{path}::{function.name}": lines_of(function)
        for path in files_named("*.py")
        for function in ast.walk(tree(path))
        if isinstance(function, type_of_function)
    }

    assert_only_shrinks("function-lines", longer_than(FUNCTION_LINES, lengths))


def test_files_are_short() -> None:
    lengths = {str(path): len(text(path).splitlines()) for path in files_named("*.py")}

    assert_only_shrinks("file-lines", longer_than(FILE_LINES, lengths))


def test_modules_open_with_one_sentence() -> None:
    silent = [
        str(path)
        for path in files_named("*.py")
        if not first_paragraph(ast.get_docstring(tree(path))).endswith((".", "?"))
    ]

    assert silent == []


def test_init_files_only_re_export() -> None:
    busy = {
        f"{path}:{node.lineno}"
        for path in files_named("__init__.py")
        for node in tree(path).body[1:]
        if not is_re_export(node)
    }

    assert busy == set()


def test_a_package_has_one_broad_except_at_most() -> None:
    counts: Counter[str] = Counter()
    for name, path in modules().items():
        counts[name.partition(".")[0]] += sum(map(is_broad, ast.walk(tree(path))))

    assert_only_shrinks("broad-excepts", longer_than(1, counts))


def test_every_module_is_imported_or_started() -> None:
    started = {name.partition(":")[0] for path in projects() for name in scripts(path)}
    started |= {name for path in projects() for name in faces(path)}
    used = started | {name for path in modules().values() for name in names_used(path)}
    idle = [
        name
        for name, path in modules().items()
        if name not in used and path.name not in {"__init__.py", "__main__.py"}
        if not any(fnmatchcase(name, pattern) for pattern in ratchet()["entry-points"])
    ]

    assert idle == []


def test_pure_modules_do_not_read_the_clock() -> None:
    """What import-linter cannot see: `datetime` is allowed there as a type."""
    clocks = [
        f"{path}:{node.lineno}"
        for path in files_named(*PURE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
    ]

    assert clocks == []


def longer_than(limit: int, lengths: dict[str, int] | Counter[str]) -> dict[str, int]:
    return {name: length for name, length in lengths.items() if length > limit}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its decorators and its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return lines
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def first_paragraph(docstring: str | None) -> str:
    return (docstring or "").partition("\n\n")[0].strip()


def is_re_export(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
            return True
        case _:
            return False


def is_broad(node: ast.AST) -> bool:
    """Tell whether this swallows everything; what cleans up and raises again does not."""
    match node:
        case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
            return False
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=kinds):
            return bool(BROAD & set(named_in(kinds)))
        case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress"), args=kinds):
            return any(BROAD & set(named_in(kind)) for kind in kinds)
        case _:
            return False


def named_in(node: ast.AST | None) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name)) if node else iter(())


def names_used(path: Path) -> Iterator[str]:
    """Name all that a file imports, and its strings: `python -m` and lazy imports have those."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Constant(value=str(value)):
                yield value
            case _:
                pass


def scripts(path: Path) -> Iterator[str]:
    return iter(project(path).get("scripts", {}).values())


def faces(path: Path) -> Iterator[str]:
    """Name the modules that programs import once an extra is installed: they are called like it."""
    return (f"{project(path)['name']}.{extra}" for extra in project(path).get(EXTRAS, ()))
