"""Which RPC decides who gets what an address gives; docs/authorisation.md is made of this, too.

The web refuses nobody who has logged in: it asks the services as that person, and they do. Where an
address asks for several things, the one that needs most is named.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping

from starlette.routing import BaseRoute, Route

OPEN = "open"
"""Whoever reaches the port gets it: nothing of the platform is in it."""

LOGIN = "login"
"""Who has logged in, whoever it is: it leads on, or is about their own login."""

_SESSION = "/sessions/{owner}/{dataset}/{number:int}"

_WAYS_IN = {
    "GET /healthz": OPEN,
    "GET /static/{version}/{name}": OPEN,
    "GET /login": "Logins/LoginWays",
    "POST /login": "Logins/LoginWays",
    "POST /login/link": "Identity/WhoAmI",
    "POST /login/password": "Logins/Login",
    "POST /login/provider": "Logins/BeginLogin",
    "POST /login/provider/wait": "Logins/EndLogin",
    "GET /invitation": OPEN,
    "POST /invitation": "Logins/SetPassword",
    "POST /logout": LOGIN,
}

_PLACES = {
    "GET /": LOGIN,
    "GET /search": "Sessions/List",
    "GET /sessions": "Sessions/List",
    "GET /compare": "Sessions/Get",
    "GET /compare/series": "Sessions/Metrics",
    "GET /compare/axes": "Sessions/Metrics",
    "GET /datasets": "Datasets/List",
    "GET /datasets/{name}": "Datasets/Get",
    "GET /datasets/{name}/raw": "Datasets/Get",
    "GET /boards": "Boards/List",
    "GET /boards/{name}": "Boards/Get",
    "POST /boards/{name}/cheer": "Boards/Cheer",
    "GET /cluster": "Scheduler/Cluster",
    "GET /credit": "Ledger/Balance",
    "GET /account": "Scheduler/GetQuota",
}

_SESSIONS = {
    f"GET {_SESSION}": "Sessions/Get",
    f"GET {_SESSION}/live": "Sessions/Logs",
    f"GET {_SESSION}/series": "Sessions/Metrics",
    f"GET {_SESSION}/usage": "Sessions/UsageHistory",
    f"GET {_SESSION}/tensorboard": "Sessions/Get",
    f"GET {_SESSION}/tensorboard/{{path:path}}": "Sessions/Metrics",
    f"POST {_SESSION}/tensorboard/{{path:path}}": "Sessions/Metrics",
    f"GET {_SESSION}/log": "Sessions/Logs",
    f"GET {_SESSION}/history": "Sessions/History",
    f"GET {_SESSION}/models": "Sessions/Get",
    f"GET {_SESSION}/models/zip": "Sessions/Get",
    f"GET {_SESSION}/code": "Sessions/Get",
    f"GET {_SESSION}/output": "Sessions/Get",
    f"GET {_SESSION}/raw": "Sessions/Get",
    f"GET {_SESSION}/family": "Sessions/Family",
    f"GET {_SESSION}/fork": "Sessions/Get",
    f"POST {_SESSION}/fork": "Sessions/Fork",
    f"GET {_SESSION}/submit": "Sessions/Get",
    f"POST {_SESSION}/submit": "Sessions/Submit",
    f"GET {_SESSION}/resume": "Sessions/Get",
    f"POST {_SESSION}/resume": "Sessions/Resume",
    f"GET {_SESSION}/remove": "Sessions/Get",
    f"POST {_SESSION}/remove": "Sessions/Remove",
    f"POST {_SESSION}/stop": "Sessions/Stop",
    f"POST {_SESSION}/memo": "Sessions/SetMemo",
    f"GET {_SESSION}/terminal": "Sessions/Get",
    f"POST {_SESSION}/terminal": "Sessions/Eval",
}

_ACCOUNT = {
    "POST /account/password": LOGIN,
    "GET /account/tokens": "Logins/ListTokens",
    "POST /account/tokens": "Logins/IssueToken",
    "POST /account/tokens/revoke": "Logins/RevokeToken",
    "GET /account/storage": "Scheduler/GetQuota",
    "GET /teams": "Identity/ListTeams",
    "POST /teams/member": "Identity/SetMember",
    "POST /teams/remove": "Identity/RemoveMember",
    "GET /datasets/{name}/remove": "Datasets/Get",
    "POST /datasets/{name}/remove": "Datasets/Remove",
    f"GET {_SESSION}/models/remove": "Sessions/Get",
    f"POST {_SESSION}/models/remove": "Sessions/RemoveCheckpoint",
}

_ADMIN = {
    "GET /admin/people": "Care/Trail",
    "POST /admin/people": "Identity/Invite",
    "POST /admin/people/change": "Identity/ChangeUser",
    "GET /admin/people/erase": "Care/Trail",
    "POST /admin/people/erase": "Identity/EraseUser",
    "POST /admin/teams": "Identity/FoundTeam",
    "GET /admin/nodes": "Care/Trail",
    "POST /admin/nodes/cordon": "Scheduler/Cordon",
    "POST /admin/nodes/uncordon": "Scheduler/Uncordon",
    "POST /admin/nodes/drain": "Scheduler/Drain",
    "POST /admin/nodes/remove": "Scheduler/RemoveNode",
    "GET /admin/policy": "Care/Trail",
    "POST /admin/policy": "Scheduler/SetPolicy",
    "POST /admin/policy/class": "Scheduler/SetClass",
    "POST /admin/policy/class/remove": "Scheduler/RemoveClass",
    "POST /admin/policy/weight": "Scheduler/SetWeight",
    "GET /admin/credit": "Care/Trail",
    "POST /admin/credit/grant": "Ledger/Grant",
    "POST /admin/credit/allowance": "Ledger/SetAllowance",
    "POST /admin/quota": "Scheduler/SetQuota",
    "GET /admin/audit": "Care/Trail",
}

RULES: Mapping[str, str] = {**_WAYS_IN, **_PLACES, **_SESSIONS, **_ACCOUNT, **_ADMIN}
"""By method and address, as `nsml_web.app` has it."""

_log = logging.getLogger("nsml.web")


def described(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield the routes that the rules know; as with RPCs, what nobody described is shut."""
    for route in routes:
        if isinstance(route, Route) and not names(route) <= RULES.keys():
            _log.critical("%s is shut: nsml_web/rules.py does not say what it asks", route.path)
        else:
            yield route


def names(route: Route) -> set[str]:
    """Return a route's methods and address, as the rules have them."""
    return {f"{method} {route.path}" for method in (route.methods or set()) - {"HEAD"}}
