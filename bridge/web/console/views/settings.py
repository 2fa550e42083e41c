"""`/settings`: the session, the access tokens, the version and the licences."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any, Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge import __version__
from bridge.api.problems import ApiProblem
from bridge.api.resources import tokens as access_tokens
from bridge.core.scopes import SCOPE_SUMMARIES, Scope
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link

DEFAULT_LIFETIME: Final = "90d"
#: What comes with flowbridge: its name, its licence, and the URL of the project.
LICENCES: Final = (
    ("flowbridge", "MIT", "LICENSE, in the package"),
    ("htmx 2.0.11", "0BSD", "web/console/assets/htmx-LICENSE.txt, in the package"),
)


def show_settings(console_request: ConsoleRequest) -> Screen:
    """Return the settings of this session; with the scope `admin` also the tokens."""
    return _screen(console_request)


def add_token(console_request: ConsoleRequest) -> Screen:
    """Create a token, and show its secret in the answer to the form: no page shows it again."""
    form = console_request.http.form
    body: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "scopes": [scope for scope in form.getlist("scopes") if scope in {*Scope}]
        or [Scope.READ.value],
    }
    lifetime = form.get("expires", "").strip()
    if lifetime:
        body["expires"] = lifetime
    try:
        new = access_tokens.add_token(
            console_request.context, replace(console_request.ask(), body=body)
        )
    except ApiProblem as problem:
        return _screen(console_request, status=400, problem=problem.detail, given=body)
    return _screen(console_request, status=201, new=new)


def remove_token(console_request: ConsoleRequest) -> Response:
    """Remove a token: every process refuses it from then on, and its sessions end."""
    access_tokens.delete_token(console_request.context, console_request.ask())
    return redirect(make_link("/settings") + "#tokens", 303)


# -- parts


def _screen(console_request: ConsoleRequest, status: int = 200, **values: Any) -> Screen:
    is_admin = console_request.may(Scope.ADMIN)
    tokens = console_request.read(access_tokens.list_tokens)["items"] if is_admin else []
    return Screen(
        template="settings.html",
        title="Settings",
        status=status,
        values={
            "is_admin": is_admin,
            "tokens": tokens,
            "summaries": SCOPE_SUMMARIES,
            "lifetime": DEFAULT_LIFETIME,
            "new": None,
            "problem": None,
            "given": {"name": "", "scopes": [Scope.READ.value]},
            "version": __version__,
            "python": platform.python_version(),
            "licences": LICENCES,
            **values,
        },
    )
