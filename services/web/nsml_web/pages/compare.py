"""Sessions side by side: what they were given, their curves on one axis, their code."""

import asyncio
import shlex
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from starlette.responses import Response

from nsml_client import codediff
from nsml_client.codediff import Change
from nsml_client.modes import Async
from nsml_client.session import Session
from nsml_protos.session_pb2 import Spec
from nsml_web import curves, look
from nsml_web.chosen import chosen, each
from nsml_web.pages.sessions import FILTERS
from nsml_web.visit import Visit

_FEW = 20
"""So many stand side by side as columns, with their code; more are rows of a table."""

_LINES = 10
"""Of many sessions so many are told apart on a chart, by their colours."""

_LEAST_BUCKETS = 10
_CODE_BYTES_MAX = 50 << 20
_LINES_MAX = 2000

Table = list[tuple[str, list[str], bool]]
"""What it is, each session's value, and whether they differ."""


async def show(visit: Visit) -> Response:
    """Show sessions side by side."""
    compared = await chosen(visit)
    ones, is_many = compared.ones, len(compared.ones) > _FEW
    summaries = [dict(row.summary) for row in compared.rows]
    names = dict.fromkeys(name for each in summaries for name in each)
    return visit.page(
        "compare.html",
        ones=[one.info for one in ones],
        found=compared.found,
        asked={name: visit.query(name) for name in FILTERS if visit.query(name)},
        named=visit.request.query_params.getlist("s"),
        is_many=is_many,
        lines=_LINES,
        table=_table(ones),
        names=list(names),
        summaries=summaries,
        code=await _code(visit, ones) if 1 < len(ones) <= _FEW else [],
        most=_LINES_MAX,
    )


async def series(visit: Visit) -> Response:
    """Return the metrics of all of them, as charts draw them; of many, in fewer points each."""
    ones = (await chosen(visit)).ones
    share = curves.BUCKETS * _FEW // max(len(ones), _FEW)
    found = await each(
        ones,
        lambda one: one.series(
            buckets=max(share, _LEAST_BUCKETS),
            from_step=visit.step("from"),
            to_step=visit.step("to"),
        ),
    )
    return visit.json(
        {
            "series": [
                {**row, "of": one.name}
                for one, told in zip(ones, found, strict=True)
                for row in curves.rows(told)
            ]
        }
    )


def _table(ones: Sequence[Session[Async]]) -> Table:
    """Return what they were given: first what differs."""
    facts = [_facts(one) for one in ones]
    names = dict.fromkeys(name for each in facts for name in each)
    rows = [(name, [each.get(name, "") for each in facts]) for name in names]
    table = [(name, values, len(set(values)) > 1) for name, values in rows]
    return sorted(table, key=lambda row: not row[2])


def _facts(one: Session[Async]) -> dict[str, str]:
    spec = one.info.spec
    facts = {"Status": one.status, "Entry": spec.entry, **arguments(spec)}
    for mount in spec.datasets:
        facts[f"Data {mount.dataset}"] = f"@{mount.revision}"
    facts |= {f"Config {name}": str(value) for name, value in one.config.items()}
    facts |= {f"Param {name}": str(value) for name, value in one.params.items()}
    facts |= {f"Env {name}": value for name, value in sorted(spec.env.items())}
    ran = next((each for each in reversed(one.info.attempts) if each.environment), None)
    return {
        **facts,
        "GPUs": str(spec.resources.gpus),
        "CPUs": str(spec.resources.cpus),
        "Memory": look.size(spec.resources.memory_bytes) if spec.resources.memory_bytes else "",
        "Seed": str(spec.seed),
        "Python": ran.python if ran else "",
        "Environment": ran.environment[:12] if ran else "",
        "Code": spec.code_tree[:12],
        "Memo": one.info.memo,
    }


def arguments(spec: Spec) -> dict[str, str]:
    """Return arguments by name: `--lr 0.1` and `--lr=0.1` alike; what has none, as one."""
    named: dict[str, str] = {}
    rest = []
    words = [part for word in spec.args for part in _halves(word)]
    skip = False
    for word, after in pairwise([*words, ""]):
        if skip:
            skip = False
        elif word.startswith("-") and not _is_number(word):
            skip = bool(after) and (not after.startswith("-") or _is_number(after))
            named[word] = after if skip else "✓"
        else:
            rest.append(word)
    return {**named, **({"Arguments": shlex.join(rest)} if rest else {})}


def _halves(word: str) -> list[str]:
    name, equals, value = word.partition("=")
    return [name, value] if word.startswith("--") and equals else [word]


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdecimal()


async def _code(visit: Visit, ones: Sequence[Session[Async]]) -> list[tuple[str, list[Change]]]:
    """Return what changed in the code, from the first to each of the others."""
    first, *others = ones
    sizes = sum(one.info.spec.code_bytes for one in ones)
    if sizes > _CODE_BYTES_MAX or all(_tree(one) == _tree(first) for one in others):
        return []
    with tempfile.TemporaryDirectory(prefix="nsml-web-") as folder:
        for tree in {_tree(one) for one in ones} - {""}:
            await visit.client.trees.pull(tree, Path(folder) / tree)
        return [
            (one.name, await asyncio.to_thread(_changes, folder, _tree(first), _tree(one)))
            for one in others
        ]


def _changes(folder: str, old: str, new: str) -> list[Change]:
    return codediff.changes(Path(folder) / old, Path(folder) / new)


def _tree(one: Session[Async]) -> str:
    return one.info.spec.code_tree
