"""The answer to a submission: a redirect, a page, or JSON for a script."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from bridge.core.errors import CompileError, Refused
from bridge.ingest.forms.control_fields import control_texts, split_control_fields
from bridge.ingest.receive import Received
from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import REFUSED
from bridge.routing.model import Source
from bridge.system.logs import get_logger
from bridge.web.forms import pages
from bridge.web.forms.hidden_fields import MakeAntiSpamFields
from bridge.web.forms.links import find_redirect, link_to_form, link_to_site
from bridge.web.forms.refusals import answer_refused, json_response
from bridge.web.forms.request import FormRequest

log = get_logger()


def answer(
    source: Source,
    asking: FormRequest,
    parts: MakeAntiSpamFields,
    take: Callable[[], Received],
    note: Callable[[Refused], None] = lambda _: None,
    finish: Callable[[Received, int], None] = lambda *_: None,
) -> Response:
    """Return the answer to one request to a form source.

    `take` receives the submission, and `parts` returns the anti-spam fields of a form. `note` gets
    a refusal; `finish` gets what was received and the status of its answer.
    """
    if asking.request.method == "OPTIONS":
        return asking.allow_reading(Response(status=403 if asking.is_foreign else 204))
    try:
        if asking.is_foreign:
            COUNTS.add(REFUSED, source.name, "403")
            raise Refused(403, "origin_not_allowed", "this form may not be sent from this site")
        received = take()
    except Refused as refused:
        note(refused)
        return asking.allow_reading(answer_refused(refused, source, asking, parts))
    status = 500  # the server's answer if rendering the page fails
    try:
        response = asking.allow_reading(_taken(received, source, asking))
        status = response.status_code
    finally:
        finish(received, status)
    return response


def _taken(received: Received, source: Source, asking: FormRequest) -> Response:
    kept = received.stored[0][1] if received.stored else None
    fields = received.body.value if received.body and isinstance(received.body.value, dict) else {}
    form = asking.form
    control = split_control_fields(fields, asking.form)[1]
    language = asking.language(*control_texts(control, "language"))
    title, text = pages.thank_you_texts(form, language)
    target = find_redirect(control, asking)
    if asking.wants_json:
        said = {
            "ok": True,
            "success": True,
            "message": text,
            "event_id": kept.event_id if kept else None,
            "next": target,
        }
        return json_response(202, said)
    if target:
        return Response(status=303, headers={"Location": target, "Cache-Control": "no-store"})
    if form.page.thanks_template is not None:
        values = {
            "form": received.body.form if received.body else {},
            "title": title,
            "text": text,
            "language": language,
            "source": source.name,
            "event_id": kept.event_id if kept else None,
        }
        try:
            return pages.respond_custom(form.page.thanks_template.render(values), form)
        except CompileError:  # its text may quote what was sent
            log.error(
                "template_failed",
                source=source.name,
                page="thanks_template",
                event_id=kept.event_id if kept else None,
            )
    view = pages.PageView(
        language=language,
        title=title,
        done=text,
        link=link_to_site(asking, language) or link_to_form(asking, source, language),
    )
    return pages.respond(view, form, 200)
