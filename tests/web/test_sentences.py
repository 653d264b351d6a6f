"""What the services refuse is said in every language: recognised, and its parts kept."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from nsml_core import errors
from nsml_web import words
from nsml_web.sentences import said

TRANSLATED = [name for name in words.LANGUAGES if name != "en"]
KINDS = {kind.__name__ for kind in (*errors.BY_CODE.values(), errors.Throttled)}

SPEAKERS = {
    "services/core/nsml_core": "auth authority calls directory gate status throttle",
    "services/session/nsml_session": (
        "admission checkpoints decide entering following logs past purposes servicer specs "
        "terminals"
    ),
    "services/dataset/nsml_dataset": (
        "board boards_servicer competitions contestant decide judging servicer whose"
    ),
    "services/identity/nsml_identity": (
        "accounts decide logins_servicer passwords servicer teams under_way"
    ),
    "services/ledger/nsml_ledger": "allowance decide servicer",
    "services/scheduler/nsml_scheduler": "classes decide kept limits servicer terms policy/words",
    "services/web/nsml_web": "acting entrance faults forms relay visit",
    "client/nsml_client": "credit errors models names people policy",
}
"""The files whose sentences answer what a form of the web, or one of its pages, asks."""


def files() -> list[Path]:
    named = [(folder, name) for folder, names in SPEAKERS.items() for name in names.split()]
    pages = sorted(Path("services/web/nsml_web/pages").glob("*.py"))
    return [*pages, *(Path(folder, f"{name}.py") for folder, name in named)]


def sentences(file: Path) -> Iterator[str]:
    """Yield what a file can say: what its errors say, and the sentences that it returns."""
    tree = ast.parse(file.read_text())
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in KINDS:
                yield from texts(first, constants)
            case ast.Return(value=ast.JoinedStr() | ast.Constant() as value):
                yield from (text for text in texts(value, {}) if text.endswith("."))


def texts(node: ast.AST, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the texts that an expression can be; what is put into one is numbered."""
    match node:
        case ast.Constant(value=str(text)) if text.strip():
            yield text
        case ast.JoinedStr(values=values):
            numbers = iter(range(len(values)))
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else f"{{{next(numbers)}}}"
                for one in values
            )
        case ast.IfExp(body=body, orelse=other):
            yield from texts(body, constants)
            yield from texts(other, constants)
        case ast.Name(id=name) if name in constants:
            yield from texts(constants[name], {})
        case ast.Dict(values=values):
            for value in values:
                yield from texts(value, {})
        case ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value)):
            yield from texts(value, constants)


UNSAID = {
    "A checkpoint's name has 1 to {0} printable characters.",
    "A score that is not a number is none.",
    "A {0} may not call {1}.",
    "Attempt {0} of {1} does not run any more.",
    "Attempt {0} of {1} is not the current one any more.",
    "Rank 0 saves the checkpoints of a gang.",
    "Rank {0} of {1} has ended.",
    "This token speaks for {0}, not for {1}#{2}.",
    "{0} does not say what people need to call it: add option (nsml.needs).",
    "{0} does not say who may call it: add option (nsml.access).",
    "{0} does not train: it keeps no checkpoints.",
    "{0} does not wait for a place.",
    "{0} has ended: {1}.",
    "{0} is not for the board {1}.",
    "{0} is not to be scored.",
    "{0} needs {1} nodes, all or none.",
    "{0} runs on one node: nobody is to be met.",
    "{0} starts when all of its members are ready.",
    "{0}, and there is none before it: `nsml model ls {1}` lists them.",
    "{0}: {1}",
    "{0}; the one before is {1}: `nsml model pull {2} {3}`.",
}
"""What runners and services are told, and who writes a service; or only a terminal says."""


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_refused_is_said_in_the_language_of_the_page(language: str) -> None:
    found = {text for file in files() for text in sentences(file)}
    assert {text for text in found if said(language, text) == text} == UNSAID


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_put_into_a_sentence_is_put_into_its_translation(language: str) -> None:
    with (words.FOLDER / f"{language}.sentences.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    parts = re.compile(r"\{\w+\}")
    # What is put into these two is an English word.
    left_out = ("'{0}' cannot be {1} name", "{0} does not train, and cannot be {1}")
    for one in catalog:
        if one.id and not str(one.id).startswith(left_out):
            assert sorted(parts.findall(str(one.id))) == sorted(parts.findall(str(one.string)))


@pytest.mark.parametrize(
    ("sentence", "korean"),
    [
        ("Log in first.", "먼저 로그인하세요."),
        (
            "The board race is on digits, and ann/x: y/3 did not train on that, but on x.",
            "race 리더보드는 digits의 것인데, ann/x: y/3은(는) 그것이 아니라 x(으)로 학습했습니다.",
        ),
        (
            "The entry '' is not a file inside the code folder.",
            "엔트리 ''은(는) 코드 폴더 안의 파일이 아닙니다.",
        ),
        ("No catalogue knows this.", "No catalogue knows this."),
        ("Log in first. And last.", "Log in first. And last."),
        ("", ""),
    ],
)
def test_a_sentence_is_known_by_what_stands_around_its_parts(sentence: str, korean: str) -> None:
    assert said("ko", sentence) == korean
    assert said("en", sentence) == sentence
