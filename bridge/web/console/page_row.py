"""One row of the table of pages of the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.wrappers import Response

from bridge.core.scopes import Scope
from bridge.core.status import Overview
from bridge.web.admin.limits import RateKind
from bridge.web.console.console_request import ConsoleRequest, Screen

View = Callable[[ConsoleRequest], Screen | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """One page of the console; two rows may share a path with different methods.

    `path` is below /console, with its variable parts as in `/events/<id>`. `scope` is needed to
    open it. `label`: its name in the navigation, null for a page that is not there; `icon`: a
    symbol of `assets/icons.svg` (its id without `i-`); `count`: the number beside the label, left
    out where it is 0, and with a plus from `counted_to` on. A `GET` changes nothing; a `POST` is
    checked to come from a page of ours.
    """

    path: str
    view: View
    scope: Scope = Scope.READ
    label: str | None = None
    icon: str = "dot"
    count: Callable[[Overview], int] | None = None
    counted_to: int | None = None
    method: str = "GET"
    max_form_bytes: int | None = None

    @property
    def rate(self) -> RateKind:
        """The requests that it is counted with."""
        return RateKind.READS if self.method == "GET" else RateKind.OPERATIONS
