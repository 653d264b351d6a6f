"""For admins: how the queue is ordered, what each owner may hold, credit, and the audit trail."""

import asyncio

from starlette.responses import Response

from nsml_client.credit import PERIODS
from nsml_core.errors import Invalid, NotFound
from nsml_core.settings import SERVICES
from nsml_protos.care_pb2 import TrailRequest
from nsml_web.forms import flag, tried, whole
from nsml_web.pages.admin import since, tab, trail
from nsml_web.visit import Visit

_LINES = 200
_NUMBERS = ("half_life_seconds", "checkpoint_wait_seconds", "minimum_run_seconds")
_PERIODS = {str(number): word for word, number in PERIODS.items()}


async def policy(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show how the queue is ordered: settings, classes, weights."""
    found = await visit.client.policy.get()
    return await tab(
        visit,
        "admin_policy.html",
        status,
        service="scheduler",
        tab="policy",
        policy=found,
        minimum=found.minimum_run_seconds if found.HasField("minimum_run_seconds") else 60,
        what="*Set",
        sentence=sentence,
    )


async def set_policy(visit: Visit) -> Response:
    """Change what was typed, and nothing else."""

    async def work() -> None:
        typed = {name: whole(visit, name) for name in _NUMBERS if visit.field(name).strip()}
        if min(typed.values(), default=0) < 0:
            raise Invalid("A time is a number of seconds, 0 or more.")
        await visit.client.policy.set(preemption=flag(visit, "preemption"), **typed)

    return await tried(visit, work(), policy, "/admin/policy")


async def set_class(visit: Visit) -> Response:
    """Name a class, or change it."""

    async def work() -> None:
        await visit.client.policy.set_class(
            visit.field("name").strip(),
            rank=whole(visit, "rank"),
            preemptible=bool(flag(visit, "preemptible")),
            max_gpus=max(whole(visit, "max_gpus"), 0),
            who=visit.field("who").replace(",", " ").split(),
        )

    return await tried(visit, work(), policy, "/admin/policy")


async def remove_class(visit: Visit) -> Response:
    """Let a class go."""
    work = visit.client.policy.remove_class(visit.field("name"))
    return await tried(visit, work, policy, "/admin/policy")


async def weigh(visit: Visit) -> Response:
    """Give an owner a share against 1 of the others."""

    async def work() -> None:
        try:
            weight = float(visit.field("weight"))
        except ValueError:
            raise Invalid("A weight is a number such as 2 or 0.5.") from None
        await visit.client.policy.weigh(visit.field("owner").strip(), weight)

    return await tried(visit, work(), policy, "/admin/policy")


async def credit(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show the quotas that are set, and, of an owner who is asked for, quota and book."""
    owner = visit.query("owner") or visit.field("owner").strip()
    found = await visit.client.policy.get()
    book, quota = None, None
    if owner:
        try:
            quota = await visit.client.policy.quota(owner)
            book = await visit.client.credit.balance(owner)
        except (Invalid, NotFound) as error:  # such as a book that begins with the first grant
            sentence = sentence or error.sentence
    return await tab(
        visit,
        "admin_credit.html",
        status,
        service="ledger",
        tab="credit",
        owner=owner,
        book=book,
        quota=quota,
        quotas=found.quotas,
        periods=_PERIODS,
        what="Granted",
        sentence=sentence,
    )


async def grant(visit: Visit) -> Response:
    """Give an owner credits; the form's key sees to it that it is once."""

    async def work() -> None:
        owner, amount = visit.field("owner").strip(), visit.field("amount").strip()
        reason, key = visit.field("reason"), visit.field("key")
        await visit.client.credit.grant(owner, amount, reason=reason, key=key)

    return await tried(visit, work(), credit, "/admin/credit", owner=visit.field("owner").strip())


async def set_allowance(visit: Visit) -> Response:
    """Give an owner credits each day, week or month."""

    async def work() -> None:
        every = _PERIODS.get(visit.field("period"), "")
        owner, amount = visit.field("owner").strip(), visit.field("amount").strip()
        await visit.client.credit.set_allowance(owner, amount, every=every)

    return await tried(visit, work(), credit, "/admin/credit", owner=visit.field("owner").strip())


async def set_quota(visit: Visit) -> Response:
    """Say what an owner, or everybody, may hold at once."""

    async def work() -> None:
        numbers = {name: max(whole(visit, name), 0) for name in ("gpus", "cpus", "sessions")}
        await visit.client.policy.set_quota(
            visit.field("owner").strip(),
            **numbers,
            memory=visit.field("memory").strip() or 0,
            storage=visit.field("storage").strip() or 0,
            high_priority=bool(flag(visit, "high_priority")),
        )

    return await tried(visit, work(), credit, "/admin/credit", owner=visit.field("owner").strip())


async def audit(visit: Visit) -> Response:
    """Show who did what, newest first, by everything that the command takes."""
    asked = {name: visit.query(name) for name in ("who", "what", "since")}
    request = TrailRequest(who=asked["who"], what=asked["what"], limit=_LINES)
    request.since_us = since(asked["since"])
    told = await asyncio.gather(*(trail(visit, service, request) for service in SERVICES))
    lines = sorted((line for each in told for line in each), key=lambda line: -line.sequence)
    return visit.page("admin_audit.html", tab="audit", lines=lines[:_LINES], asked=asked)
