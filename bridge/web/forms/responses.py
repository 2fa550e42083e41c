"""The answer to a submission that is received: a redirect, a page, or JSON for a script."""

from __future__ import annotations

from flask import Response

from bridge.core.errors import CompileError
from bridge.ingest.forms.control_fields import control_texts, split_control_fields
from bridge.ingest.receive import Received
from bridge.routing.model import Source
from bridge.system.logs import get_logger
from bridge.web.forms import pages
from bridge.web.forms.links import find_redirect, link_to_form, link_to_site
from bridge.web.forms.refusals import json_response
from bridge.web.forms.request import FormRequest

log = get_logger()


def answer_preflight(asking: FormRequest) -> Response:
    """Return the answer to an OPTIONS request."""
    return asking.allow_reading(Response(status=403 if asking.is_foreign else 204))


def answer_received(received: Received, source: Source, asking: FormRequest) -> Response:
    """Return the answer to a submission that is received."""
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
            log.limited().error(
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
