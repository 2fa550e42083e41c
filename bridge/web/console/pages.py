"""The table of pages of the console. Paths, navigation and scopes follow from it.

To add a page:

1. Write `views/NAME.py` with a function that takes a `ConsoleRequest` and returns a `Screen`: the
   template, the title, and the values for it. Call the function of `api/resources` that answers the
   same question, with `asked.ask(PARAMETERS)`: it checks the filters, and hides contents from a
   session without the scope `bodies`. For a list, describe it as a `ListKind` and call
   `read_list`. Raise `ApiProblem` or `refuse(STATUS, SENTENCE)` for an error page.
2. Write `templates/NAME.html`, which begins with `{% extends "base.html" %}` and fills the block
   `content`; `macros.html` has the parts (`ui.status`, `ui.filter_form`, `ui.pager`, `ui.empty`,
   `ui.command`). Values are escaped; use no `|safe`, no `style=` and no inline script. Times go
   through `|time` or `|ago`, durations through `|span`, numbers through `|count`.
3. Add a row here. With a `label` it is in the navigation, in the order of the table; the first four
   are also in the bar of a phone. An icon is a symbol of `assets/icons.svg`.
4. A form is `method="post"` with `<input type="hidden" name="csrf" value="{{ csrf }}">`, and has a
   row of its own with `method="POST"` and the scope `act` or `admin`. Its view returns
   `redirect(make_link(…), 303)`. Operations on records all go to `POST /operations`, which first
   counts and asks: see `operation_forms.py`, and the macros of `operation_parts.html`.

`tests/web/console/test_console_pages.py` opens every row with every scope, and
`test_console_browser.py` in a browser; `tests/support/console_records.py` has the record that a
path with a variable part names.
"""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.core.status import MAX_DEAD_TODAY
from bridge.web.console.config_pages import CONFIG_PAGES, SETTINGS_PAGES
from bridge.web.console.form_pages import FORM_PAGES
from bridge.web.console.page_row import ConsolePage
from bridge.web.console.views import (
    causes,
    event,
    event_comparison,
    event_lists,
    find,
    operations,
    overview,
    playground,
    rejects,
    trends,
    unknown,
)

PAGES: Final = (
    ConsolePage(path="/", view=overview.show_overview, label="Overview", icon="home"),
    ConsolePage(path="/events", view=event_lists.list_events, label="Events", icon="events"),
    ConsolePage(
        path="/deliveries",
        view=event_lists.list_deliveries,
        label="Deliveries",
        icon="deliveries",
    ),
    ConsolePage(
        path="/causes",
        view=causes.list_causes,
        label="Causes",
        icon="causes",
        count=lambda overview: overview.dead_today,
        counted_to=MAX_DEAD_TODAY,
    ),
    ConsolePage(path="/causes", view=causes.act_on_cause, method="POST", scope=Scope.ACT),
    ConsolePage(
        path="/unknown",
        view=unknown.list_unknown,
        label="Unknown",
        icon="unknown",
        count=lambda overview: overview.held,
    ),
    ConsolePage(path="/unknown", view=unknown.record_run, method="POST", scope=Scope.ACT),
    ConsolePage(
        path="/rejects",
        view=rejects.list_rejects,
        label="Rejects",
        icon="rejects",
        count=lambda overview: sum(source.rejected_today for source in overview.sources),
    ),
    ConsolePage(path="/rejects/<id>", view=rejects.show_reject),
    *FORM_PAGES,
    *CONFIG_PAGES,
    ConsolePage(
        path="/playground",
        view=playground.show_playground,
        scope=Scope.BODIES,
        label="Playground",
        icon="playground",
    ),
    ConsolePage(
        path="/playground",
        view=playground.try_text,
        method="POST",
        scope=Scope.BODIES,
        max_form_bytes=playground.MAX_FORM_BYTES,
    ),
    ConsolePage(path="/trends", view=trends.show_trends, label="Trends", icon="trends"),
    ConsolePage(path="/tail", view=event_lists.tail_events, label="Tail", icon="tail"),
    ConsolePage(
        path="/operations", view=operations.list_operations, label="Operations", icon="operations"
    ),
    ConsolePage(path="/operations", view=operations.propose, method="POST", scope=Scope.ACT),
    ConsolePage(path="/operations/<id>", view=operations.show_operation),
    *(
        ConsolePage(path=f"/operations/<id>/{word}", view=view, method="POST", scope=Scope.ACT)
        for word, view in (
            ("agree", operations.agree),
            ("stop", operations.stop),
            ("resume", operations.resume),
        )
    ),
    *SETTINGS_PAGES,
    ConsolePage(path="/events/<id>", view=event.show_event),
    ConsolePage(path="/events/<id>/request", view=event.show_request, scope=Scope.BODIES),
    ConsolePage(path="/events/<id>/body", view=event.download_body, scope=Scope.BODIES),
    ConsolePage(path="/events/<id>/explain", view=event.explain_event, scope=Scope.BODIES),
    ConsolePage(
        path="/events/<id>/compare", view=event_comparison.compare_events, scope=Scope.BODIES
    ),
    ConsolePage(path="/deliveries/<id>", view=event.open_delivery),
    ConsolePage(path="/find", view=find.find_records),
)
