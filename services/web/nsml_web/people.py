"""The wiring of what is about people: one's account, teams and storage, and pages for admins."""

from starlette.routing import BaseRoute, Route

from nsml_web.pages import account, admin, admin_rules, storage, teams, tokens
from nsml_web.visit import action, page

_SESSION = "/sessions/{owner}/{dataset}/{number:int}"


def account_routes() -> list[BaseRoute]:
    """Return the routes of one's account."""
    return [
        Route("/account/password", action(account.change_password), methods=["POST"]),
        Route("/account/tokens", page(tokens.show), methods=["GET"]),
        Route("/account/tokens", action(tokens.create), methods=["POST"]),
        Route("/account/tokens/revoke", action(tokens.revoke), methods=["POST"]),
        Route("/account/storage", page(storage.show)),
        Route("/teams", page(teams.show)),
        Route("/teams/member", action(teams.set_member), methods=["POST"]),
        Route("/teams/remove", action(teams.remove_member), methods=["POST"]),
        Route("/datasets/{name}/remove", page(storage.removing_dataset), methods=["GET"]),
        Route("/datasets/{name}/remove", action(storage.remove_dataset), methods=["POST"]),
        Route(f"{_SESSION}/models/remove", page(storage.removing_model), methods=["GET"]),
        Route(f"{_SESSION}/models/remove", action(storage.remove_model), methods=["POST"]),
    ]


def admin_routes() -> list[BaseRoute]:
    """Return the routes of what only admins get."""
    nodes = {"cordon": admin.cordon, "uncordon": admin.uncordon,
             "drain": admin.drain, "remove": admin.remove_node}  # fmt: skip
    return [
        Route("/admin/people", page(admin.people), methods=["GET"]),
        Route("/admin/people", action(admin.invite), methods=["POST"]),
        Route("/admin/people/change", action(admin.change), methods=["POST"]),
        Route("/admin/people/erase", page(admin.erasing), methods=["GET"]),
        Route("/admin/people/erase", action(admin.erase), methods=["POST"]),
        Route("/admin/teams", action(admin.found_team), methods=["POST"]),
        Route("/admin/nodes", page(admin.nodes)),
        *(
            Route(f"/admin/nodes/{word}", action(act), methods=["POST"])
            for word, act in nodes.items()
        ),
        Route("/admin/policy", page(admin_rules.policy), methods=["GET"]),
        Route("/admin/policy", action(admin_rules.set_policy), methods=["POST"]),
        Route("/admin/policy/class", action(admin_rules.set_class), methods=["POST"]),
        Route("/admin/policy/class/remove", action(admin_rules.remove_class), methods=["POST"]),
        Route("/admin/policy/weight", action(admin_rules.weigh), methods=["POST"]),
        Route("/admin/credit", page(admin_rules.credit), methods=["GET"]),
        Route("/admin/credit/grant", action(admin_rules.grant), methods=["POST"]),
        Route("/admin/credit/allowance", action(admin_rules.set_allowance), methods=["POST"]),
        Route("/admin/quota", action(admin_rules.set_quota), methods=["POST"]),
        Route("/admin/audit", page(admin_rules.audit)),
    ]
