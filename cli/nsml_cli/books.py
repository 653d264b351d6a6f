"""Books as people read them: amounts as they are typed, and the warning that little is left."""

from nsml_cli import output
from nsml_cli.sessions import Shape
from nsml_cli.text import credits_of, iso, whole_credits
from nsml_client.client import Client
from nsml_client.credit import PERIODS
from nsml_core.errors import Error
from nsml_protos import ledger_pb2


def allowance(one: ledger_pb2.Allowance) -> str:
    """Return such as "100.00 every week, given for the week from 2026-11-16"; empty without one."""
    if not one.amount:
        return ""
    period = _period(one.period)
    said = f"{credits_of(one.amount)} every {period}"
    return f"{said}, given for the {period} from {one.granted}" if one.granted else said


def _period(period: "ledger_pb2.Period.ValueType") -> str:
    return next((word for word, known in PERIODS.items() if known == period), "period")


def warn_if_low(book: ledger_pb2.Book) -> None:
    """Say beside the results that little is left."""
    if book.low_below:
        output.note(
            f"Low credit: {whole_credits(book.available)} left, less than "
            f"{credits_of(book.low_below)}; `nsml credit history` shows where it went."
        )


def warn_who_runs(client: Client) -> None:
    """The same for one who has just started a session, which nothing here may undo."""
    try:
        book = client.credit.balance()
    except Error as error:
        output.note(f"How much credit is left is not known: {error.sentence}")
    else:
        warn_if_low(book)


def shape(one: ledger_pb2.Book) -> Shape:
    """Return a book in GPU-milliseconds, as the ledger keeps it: nothing is rounded."""
    known = one.allowance
    return {
        "user": one.owner,
        "available_gpu_ms": one.available,
        "held_gpu_ms": one.held,
        "granted_gpu_ms": one.granted,
        "spent_gpu_ms": one.spent,
        "low_below_gpu_ms": one.low_below or None,
        "allowance": {
            "amount_gpu_ms": known.amount,
            "every": _period(known.period),
            "granted_from": known.granted or None,
        }
        if known.amount
        else None,
    }


def line_shape(line: ledger_pb2.StatementLine) -> Shape:
    return {
        "sequence": line.sequence,
        "time": iso(line.time),
        "event": line.event,
        "session": line.session,
        "attempt": line.attempt,
        "started": iso(line.started),
        "ended": iso(line.ended),
        "amount_gpu_ms": line.amount,
        "rate": line.rate,
        "available_change_gpu_ms": line.available,
        "reason": line.reason,
        "actor": line.actor,
    }
