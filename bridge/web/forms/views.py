"""`/forms/<source>`: the form of a source as a page of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from flask import Blueprint, Request, Response, request

from bridge.config.settings import Settings
from bridge.ingest.forms.translations import texts
from bridge.routing.form import Form
from bridge.routing.model import Config, Source
from bridge.web.client_ip import client_address
from bridge.web.forms import pages
from bridge.web.forms.hidden_fields import AntiSpamFields, MakeAntiSpamFields
from bridge.web.forms.render import form_view
from bridge.web.forms.request import FormRequest
from bridge.web.receiving.rate_limiter import RateLimiter, wait_for_rate


def form_pages(
    settings: Settings,
    config: Callable[[], Config],
    limiter: RateLimiter,
    parts: MakeAntiSpamFields,
) -> Blueprint:
    """Return the hosted forms; `parts` returns their anti-spam fields."""
    views = Blueprint("forms", __name__)

    @views.get("/forms/<name>")
    def form(name: str) -> Response:
        source = config().sources.get(name)
        if source is None or source.form is None or not source.form.page.hosted:
            return _refuse(request, 404, "refused_no_form")
        # the links of the page are relative to its URL without the slash
        if request.path.endswith("/"):
            return Response(status=308, headers={"Location": f"../{source.name}"})
        if wait := wait_for_rate(
            limiter, source, client_address(request.environ, settings), time.time(), look="page"
        ):
            return _refuse(
                request, 429, "refused_too_many", source.form, {"Retry-After": str(int(wait) + 1)}
            )
        return _page(
            source, source.form, FormRequest(request, source.form).language(), parts(source, None)
        )

    return views


def _refuse(
    http_request: Request,
    status: int,
    key: str,
    form: Form | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    language = FormRequest(http_request, form or Form()).language()
    view = pages.PageView(
        language=language,
        title=texts.text(language, "failed_title" if form else "whole_form"),
        trouble=texts.text(language, key),
    )
    return pages.respond(view, form, status, headers)


def _page(source: Source, form: Form, language: str, parts: AntiSpamFields) -> Response:
    view = pages.PageView(
        language=language,
        title=pages.heading(form.page, source.name),
        intro=pages.paragraphs(form.page.intro),
        noindex=form.page.noindex,
        form=form_view(source, language, f"../hooks/{source.name}", parts),
    )
    return pages.respond(view, form, 200, {"Content-Language": language, "Vary": "Accept-Language"})
