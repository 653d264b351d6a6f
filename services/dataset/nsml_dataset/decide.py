"""What may be asked of a dataset, and what then happens."""

import re

from google.protobuf.message import Message

from nsml_core.errors import Invalid, NotFound
from nsml_protos.dataset_pb2 import Changed, Created, Dataset, Deleted, Pushed, Revision

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
_TEXT_MAX = 2000


def check_name(name: str) -> None:
    """Refuse a name that is not portable.

    It becomes a folder, a subject and part of a session's name.
    """
    if not _NAME.fullmatch(name) or name == "None":
        raise Invalid(
            f"'{name}' cannot be a dataset's name: use 1 to 20 letters, digits, - or _, "
            "beginning with a letter or digit."
        )


def push(
    state: Dataset,
    *,
    name: str,
    owner: str,
    revision: Revision,
    private: bool | None,
    description: str | None,
) -> list[Message]:
    """Add a revision; the same tree as the newest one's is none."""
    check_name(name)
    if len(description or "") > _TEXT_MAX or len(revision.message) > _TEXT_MAX:
        raise Invalid(f"A description has at most {_TEXT_MAX} characters.")
    if not revision.files:
        raise Invalid("There are no files to push: the folder is empty.")
    events: list[Message] = []
    if not is_there(state):
        events.append(
            Created(name=name, owner=owner, private=bool(private), description=description or "")
        )
    else:
        events += _change(state, private=private, description=description)
    if not events or not isinstance(events[0], Created):
        newest = state.revisions[-1] if state.revisions else None
        if newest is not None and _same(newest, revision):
            return events
    numbered = Revision()
    numbered.CopyFrom(revision)
    numbered.number = state.last_number + 1
    return [*events, Pushed(revision=numbered)]


def _same(newest: Revision, revision: Revision) -> bool:
    return (newest.tree, newest.splits) == (revision.tree, revision.splits)


def _change(state: Dataset, *, private: bool | None, description: str | None) -> list[Message]:
    changed = Changed()
    if private is not None and private != state.private:
        changed.private = private
    if description is not None and description != state.description:
        changed.description = description
    return [changed] if changed.ByteSize() else []


def remove(state: Dataset) -> list[Message]:
    """Delete the name; what still refers to a revision keeps its files."""
    return [Deleted()] if is_there(state) else []


def is_there(state: Dataset) -> bool:
    return bool(state.name) and not state.deleted


def resolve(state: Dataset, reference: str) -> Revision:
    """Return the revision that NAME or NAME@REVISION means."""
    name, at, number = reference.partition("@")
    if not at:
        return state.revisions[-1]
    for revision in state.revisions:
        if str(revision.number) == number:
            return revision
    newest = state.revisions[-1].number
    raise NotFound(
        f"The dataset {name} has no revision {number}: its newest is {name}@{newest}; "
        f"`nsml dataset board {name}` lists them."
    )


def not_found(name: str) -> NotFound:
    """Return the error for a dataset that is not there, or that the caller may not know of."""
    return NotFound(f"There is no dataset {name}: `nsml dataset ls` shows those that you can use.")
