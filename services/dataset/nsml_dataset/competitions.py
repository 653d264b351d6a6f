"""Boards and their contestants as the service keeps them: found, opened, ranked, verified."""

import ast
import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC
from functools import partial

from nsml_core.authority import may, role_of
from nsml_core.blobs.store import Store as BlobStore
from nsml_core.calls import current, request_key
from nsml_core.directory import Directory
from nsml_core.entry import Recorded, check_chain
from nsml_core.errors import Damaged, Invalid, NotFound, Refused
from nsml_core.store import Store
from nsml_core.views import View
from nsml_dataset import board as boards
from nsml_dataset import checks, contestant, decide, manifests, ranking, whose
from nsml_dataset.board import BOARD
from nsml_dataset.checks import Findings
from nsml_dataset.contestant import CONTESTANT
from nsml_dataset.views import boards_like, boards_on, contestants_of
from nsml_protos.board_pb2 import (
    PRIVATE_SHARE,
    Board,
    BoardOpened,
    Contestant,
    CreateBoardRequest,
    Share,
    Standing,
    Terms,
)
from nsml_protos.dataset_pb2 import Dataset, Revision
from nsml_protos.options_pb2 import Need

_EVALUATION_BYTES_MAX = 4 << 20


class Competitions:
    """Everything about boards but how a submission comes to its score."""

    def __init__(
        self,
        datasets: Store[Dataset],
        states: Store[Board],
        contestants: Store[Contestant],
        view: View,
        blobs: BlobStore,
        directory: Directory,
    ) -> None:
        self.datasets = datasets
        self.states = states
        self.contestants = contestants
        self.view = view
        self._blobs = blobs
        self.directory = directory
        self._opening = asyncio.Lock()

    async def find(self, name: str) -> Board:
        """Return a board that the caller may see: whoever may read its dataset."""
        state = await self.states.get(boards.key(name))
        if not state.name or not await self._may_see(state):
            raise boards.not_found(name)
        return state

    async def _may_see(self, state: Board) -> bool:
        if current().caller.kind == "service" or self.owns(state):
            return True
        return whose.is_seen(await self.datasets.get(state.terms.dataset))

    async def check_may_read(self, state: Board, owner: str) -> None:
        """Refuse somebody for whom a service asks, and who may not know of a board."""
        dataset = await self.datasets.get(state.terms.dataset)
        if not whose.is_read_by(self.directory.speaker(owner), dataset):
            raise boards.not_found(state.name)

    def owns(self, state: Board) -> bool:
        """Tell whether the caller may see and do everything with a board."""
        return current().caller.kind == "user" and current().may(Need.MANAGE, state.owner)

    def check_is_owned(self, state: Board, owner: str) -> None:
        """Refuse somebody for whom a service asks, and whose a board is not."""
        boards.own(state, is_owner=may(self.directory.speaker(owner), Need.MANAGE, state.owner))

    async def own(self, name: str) -> Board:
        """Return a board that the caller may change."""
        state = await self.find(name)
        boards.own(state, is_owner=self.owns(state))
        return state

    async def find_all(self, pattern: str) -> list[Board]:
        """Return the boards that the caller may see, by name."""
        return [one for one in await boards_like(self.view, pattern) if await self._may_see(one)]

    async def on(self, dataset: str) -> Board:
        """Return the board of a dataset."""
        found = await boards_on(self.view, dataset)
        if not found:
            raise NotFound(
                f"There is no board on {dataset}: `nsml board ls` shows those there are."
            )
        return await self.find(found[0].name)

    async def open(
        self, request: CreateBoardRequest, *, dry: bool
    ) -> tuple[Board | None, Findings]:
        """Open a board, unless something is missing, or it is only to be seen whether it could."""
        key = boards.key(request.name)
        terms = boards.filled(request.terms)
        terms.dataset = terms.dataset or request.name
        boards.check_terms(terms)
        dataset = await self._dataset(terms.dataset)
        findings = await self.look(terms, dataset.revisions[-1])
        if dry or findings.missing:
            return None, findings
        opened = BoardOpened(
            name=request.name,
            owner=current().owner,
            terms=terms,
            revision=dataset.revisions[-1],
            key=request_key(request.key),
        )
        async with self._opening:
            await self.view.see_all()
            others = {one.name for one in await boards_on(self.view, terms.dataset)}
            if others - {request.name}:
                raise Refused(f"{terms.dataset} has a board already: {', '.join(others)}.")
            state = await self.states.decide(
                key, current().context(), lambda state: boards.create(state, opened)
            )
        return state, findings

    async def _dataset(self, name: str) -> Dataset:
        decide.check_name(name)
        dataset = await self.datasets.get(name)
        whose.check_changes(name, dataset)
        return dataset

    async def look(self, terms: Terms, revision: Revision) -> Findings:
        """Look for what a competition lacks."""
        return await asyncio.to_thread(self._look, terms, revision)

    def _look(self, terms: Terms, revision: Revision) -> Findings:
        parts = checks.parts(revision.splits)
        files = {name: manifests.paths(self._blobs, part.tree) for name, part in parts.items()}
        found = checks.look(terms, revision, files)
        evaluation = parts["evaluation"]
        if checks.EVALUATION in files["evaluation"] and evaluation.bytes <= _EVALUATION_BYTES_MAX:
            code = manifests.content(self._blobs, evaluation.tree, checks.EVALUATION)
            try:
                ast.parse(code)
            except (SyntaxError, ValueError) as error:
                found.missing.append(f"{checks.EVALUATION} does not compile: {error}.")
        return found

    async def change(self, name: str, terms: Terms | None, number: int) -> Board:
        """Agree on other terms, or judge by another revision."""
        state = await self.own(name)
        wanted = boards.filled(terms) if terms is not None else state.terms
        wanted.dataset = wanted.dataset or state.terms.dataset
        boards.check_terms(wanted)
        revision = None
        if number:
            dataset = await self._dataset(state.terms.dataset)
            revision = decide.resolve(dataset, f"{dataset.name}@{number}")
        findings = await self.look(wanted, revision or state.revision)
        if findings.missing:
            raise Invalid(" ".join(findings.missing))
        return await self.states.decide(
            boards.key(name),
            current().context(),
            lambda state: boards.change(state, wanted, revision),
        )

    async def ranked(self, state: Board, share: "Share.ValueType") -> tuple[list[Standing], bool]:
        """Return a ranking as the caller may see it, and whether it is shown as it stood frozen."""
        is_private = share == PRIVATE_SHARE
        if is_private and not self.owns(state) and not state.HasField("revealed"):
            raise Refused(
                f"The private ranking of {state.name} is shown once its owner reveals it."
            )
        found = await contestants_of(self.view, state.name)
        is_frozen = self._sees_frozen(state)
        if is_frozen:
            found = self._then(state, found)
        ranked = ranking.standings(state, found, share)
        return ranking.cheered(ranked, found, current().caller.name), is_frozen

    async def cheer(self, state: Board, owner: str, *, withdraw: bool) -> Contestant:
        """Cheer a contestant whom the caller sees on the ranking, or take that back."""
        seen, _ = await self.ranked(state, Share.PUBLIC_SHARE)
        if owner not in {one.owner for one in seen}:
            raise NotFound(
                f"{owner[:40]} is not on the board {state.name}: `nsml board {state.name}` shows "
                "who is."
            )
        caller = current().caller
        decision = partial(
            contestant.cheer,
            by=caller.name,
            is_own=role_of(caller, owner) > 0,
            withdraw=withdraw,
        )
        key = contestant.key(state.name, owner)
        return await self.contestants.decide(key, current().context(), decision)

    def _sees_frozen(self, state: Board) -> bool:
        is_hidden = state.HasField("frozen") and not state.HasField("revealed")
        return is_hidden and not self.owns(state)

    def _then(self, state: Board, found: Sequence[Contestant]) -> list[Contestant]:
        time = state.frozen.ToDatetime(UTC)
        return [ranking.as_it_stood(one, time) for one in found]

    async def verify(self, state: Board) -> tuple[list[Recorded], list[Contestant], list[str]]:
        """Read a board's submissions from the log again; the view is held against that."""
        records = await self.view.log.read(f"{BOARD.subject(boards.key(state.name))}.>")
        entries = [record.decode() for record in records]
        problems = _broken(entries)
        folded: dict[str, Contestant] = {}
        for entry in entries:
            before = folded.get(entry.subject, Contestant())
            events = ((event, entry.time) for event in entry.events)
            folded[entry.subject] = CONTESTANT.fold(before, events)
        contestants = list(folded.values())
        for share in (Share.PUBLIC_SHARE, PRIVATE_SHARE):
            shown = ranking.standings(state, await contestants_of(self.view, state.name), share)
            if shown != ranking.standings(state, contestants, share):
                problems.append(
                    "What is shown does not follow from the log: `nsml admin view rebuild dataset`."
                )
        if self._sees_frozen(state):
            contestants = self._then(state, contestants)
        return entries, contestants, problems


def _broken(entries: Sequence[Recorded]) -> list[str]:
    """Return what is wrong with the chains of some entries."""
    hashes: dict[str, bytes] = {}
    problems = []
    for entry in entries:
        try:
            check_chain(hashes.get(entry.subject, b""), entry)
        except Damaged as error:
            problems.append(error.sentence)
        hashes[entry.subject] = entry.hash
    return problems


def head(entries: Sequence[Recorded]) -> str:
    """Return one hash for the newest entry of every contestant."""
    newest = {entry.subject: entry.hash for entry in entries}
    said = "".join(f"{subject} {newest[subject].hex()}\n" for subject in sorted(newest))
    return hashlib.sha256(said.encode()).hexdigest()
