"""The rows of the pages of forms."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.web.console.page_row import ConsolePage
from bridge.web.console.views import form_downloads, forms

FORM_PAGES: Final = (
    ConsolePage(
        path="/forms",
        view=forms.list_forms,
        label="Forms",
        icon="forms",
        count=lambda overview: sum(source.spam for source in overview.sources),
    ),
    ConsolePage(path="/forms/<name>", view=forms.show_inbox),
    ConsolePage(path="/forms/<name>/spam", view=forms.show_spam),
    ConsolePage(
        path="/forms/<name>/export", view=form_downloads.export_submissions, scope=Scope.BODIES
    ),
    ConsolePage(path="/events/<id>/file", view=form_downloads.download_file, scope=Scope.BODIES),
)
