"""The answer to a refused submission: the form again, a redirect, or JSON."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from flask import Response

from bridge.core.errors import FieldFault, Refused
from bridge.core.model import JSON
from bridge.ingest.forms.attachments import read_returned_fields
from bridge.ingest.forms.control_fields import control_texts, split_control_fields
from bridge.ingest.forms.controls import controls
from bridge.ingest.forms.error_messages import reword_by_control
from bridge.ingest.forms.spam import captchas
from bridge.ingest.forms.translations import texts
from bridge.routing.model import Source
from bridge.web.forms import pages
from bridge.web.forms.field_values import is_showable
from bridge.web.forms.hidden_fields import MakeAntiSpamFields
from bridge.web.forms.links import find_error_page, find_requested_page, link_to_site
from bridge.web.forms.render import FormView, filled_view
from bridge.web.forms.request import FormRequest

# refusals after which a captcha's service may have accepted its answer, which it does once
CAPTCHA_USED_STATUSES = frozenset({429, 500, 503, 507})
NO_ROOM_CODE = "files_full"  # the form asks for no file again
# without the submitted values, unless a field has to be corrected
NOT_REDISPLAYED_STATUSES = frozenset({401, 403, 404, 405, 413})


def read_sent(asking: FormRequest) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """Return the fields of a submission that was read, and the fields that need their files again.

    Both are empty if it was not read.
    """
    if asking.sent is None:
        return {}, ()
    fields, files = read_returned_fields(asking.form, asking.sent)
    return fields, files if asking.form.files is not None else ()


def answer_refused(
    refused: Refused, source: Source, asking: FormRequest, parts: MakeAntiSpamFields
) -> Response:
    sent, files = read_sent(asking)
    control = split_control_fields(sent, asking.form)[1]
    language = asking.language(*control_texts(control, "language"))
    key = f"refused_{refused.code}"
    ours = refused.message[:1].upper() + refused.message[1:] + "."
    message = (
        texts.text(language, key, most=asking.form.fields.max) if texts.has_text(key) else ours
    )
    faults = reword_by_control(refused.fields, controls(asking.form.schema_document or {}))
    if asking.wants_json:
        return json_response(
            refused.status, _error_json(refused.code, message, faults, language), refused.headers
        )
    if target := find_error_page(refused, asking):
        return Response(status=303, headers={"Location": target, "Cache-Control": "no-store"})
    form = None
    problems = []
    notes = []
    if sent and (refused.fields or refused.status not in NOT_REDISPLAYED_STATUSES):
        if is_showable(sent):
            carried = parts(source, _reusable_fields(control, refused))
            form = filled_view(
                source,
                asking.form,
                language,
                sent,
                faults,
                carried,
                find_requested_page(control, asking),
                files,
            )
            notes += (
                [texts.text(language, "files_again")]
                if files and refused.code != NO_ROOM_CODE
                else []
            )
        else:
            notes.append(texts.text(language, "too_much_to_show"))
    problems = _problems(faults, form, language)
    link = (
        pages.Link(f"../forms/{source.name}", texts.text(language, "open_form"))
        if _leads_to_form(refused, asking, form)
        else None
    )
    view = pages.PageView(
        language=language,
        title=pages.heading(asking.form.page, source.name),
        trouble=message,
        problems=problems,
        notes=notes,
        form=form,
        link=link or (link_to_site(asking, language) if form is None else None),
    )
    return pages.respond(view, asking.form, refused.status, refused.headers)


def _reusable_fields(control: Mapping[str, JSON], refused: Refused) -> dict[str, JSON]:
    """Return the control fields, without a captcha's answer that its service has seen."""
    spent_fields = (
        captchas.CAPTCHA_FIELDS
        if refused.status in CAPTCHA_USED_STATUSES or refused.code == "used_before"
        else ()
    )
    return {name: value for name, value in control.items() if name not in spent_fields}


def _leads_to_form(refused: Refused, asking: FormRequest, form: FormView | None) -> bool:
    """Return whether to link to the hosted form: a visitor opened the URL of `/hooks`."""
    return (
        refused.status == 405
        and form is None
        and asking.form.page.hosted
        and not asking.request.path.endswith("/")
    )


def _problems(
    faults: Mapping[str, FieldFault], form: FormView | None, language: str
) -> list[pages.FieldProblem]:
    """Return the lines of the error summary, in the order of the form."""
    # the first of those with the same name
    fields_by_name = {field.control.name: field for field in reversed(form.fields)} if form else {}
    order = {name: place for place, name in enumerate(reversed(fields_by_name))}
    lines = []
    for name in sorted(faults, key=lambda name: (order.get(name, len(order)), name)):
        field = fields_by_name.get(name)
        said = texts.describe_fault(language, faults[name])
        label = field.control.label if field else name or texts.text(language, "whole_form")
        lines.append(pages.FieldProblem(label, field.id if field else "", said))
    return lines


def _error_json(
    code: str, message: str, faults: Mapping[str, FieldFault], language: str
) -> dict[str, JSON]:
    """Return the errors as JSON: `fields` by name, and `errors` as a list with codes."""
    fields = {name: texts.describe_fault(language, fault) for name, fault in faults.items()}
    codes = {name: fault.key for name, fault in faults.items()}
    errors = [
        {"field": name or None, "code": codes[name], "message": said}
        for name, said in fields.items()
    ]
    return {
        "ok": False,
        "success": False,
        "error": code,
        "message": message,
        "fields": fields,
        "errors": errors or [{"field": None, "code": code, "message": message}],
    }


def json_response(
    status: int, said: Mapping[str, JSON], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(said),
        status=status,
        content_type="application/json",
        headers=dict(headers or {}),
    )
