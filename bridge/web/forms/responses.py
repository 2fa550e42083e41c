"""What is answered to a form that was sent: a redirect, a page, or JSON for a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import orjson
from flask import Response

from bridge.core.errors import CompileError, FieldFault, Refused
from bridge.core.model import JSON
from bridge.ingest.forms.attachments import sent_again
from bridge.ingest.forms.control_fields import parted, texts_of
from bridge.ingest.forms.controls import controls
from bridge.ingest.forms.error_messages import by_control
from bridge.ingest.forms.redirects import landing
from bridge.ingest.forms.spam import captchas
from bridge.ingest.forms.translations import texts
from bridge.ingest.receive import Received
from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import REFUSED
from bridge.routing.model import Source
from bridge.system.logs import get_logger
from bridge.web.forms import pages
from bridge.web.forms.hidden_fields import Parts
from bridge.web.forms.render import FormView, filled_view, is_showable
from bridge.web.forms.request import Asking

log = get_logger()
# in the query of the page that `on_error` leads to
FORM_ERROR = "form_error"
FORM_FIELDS = "form_fields"
# the key of the WSGI environment under which a submission is, once it was read
SENT = "flowbridge.sent"
# refusals after which a captcha's service may have said yes, which it does once
ASKED = frozenset({429, 500, 503, 507})
NO_ROOM = "files_full"  # no file is asked for again
NOT_SHOWN_AGAIN = frozenset({401, 403, 404, 405, 413})  # unless it is a field that is to be mended


def answer(
    source: Source,
    asking: Asking,
    parts: Parts,
    take: Callable[[], Received],
    note: Callable[[Refused], None] = lambda _: None,
    finish: Callable[[Received, int], None] = lambda *_: None,
) -> Response:
    """Return the answer to one request of a form source; `take` receives it, `parts` gives what a
    form carries against bots.

    `note` is told why one is refused; `finish` gets what was taken and the status of its answer.
    """
    if asking.request.method == "OPTIONS":
        return asking.let_read(Response(status=403 if asking.is_foreign else 204))
    try:
        if asking.is_foreign:
            COUNTS.add(REFUSED, source.name, "403")
            raise Refused(403, "origin_not_allowed", "this form may not be sent from this site")
        received = take()
    except Refused as refused:
        note(refused)
        return asking.let_read(_refused(refused, source, asking, parts))
    status = 500  # what the server answers if the page cannot be made
    try:
        response = asking.let_read(_taken(received, source, asking))
        status = response.status_code
    finally:
        finish(received, status)
    return response


def _sent(asking: Asking) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """The fields of a submission that was read but not taken, and those that are asked for files
    again; none where it was not read.
    """
    sent = asking.request.environ.get(SENT)
    if sent is None:
        return {}, ()
    fields, files = sent_again(asking.form, sent)
    return fields, files if asking.form.files is not None else ()


def _taken(received: Received, source: Source, asking: Asking) -> Response:
    kept = received.kept[0][1] if received.kept else None
    fields = received.body.value if received.body and isinstance(received.body.value, dict) else {}
    form = asking.form
    control = parted(fields, asking.form)[1]
    language = asking.language(*texts_of(control, "language"))
    title, text = pages.thanks(form, language)
    target = _target(control, asking)
    if asking.wants_json:
        said = {
            "ok": True,
            "success": True,
            "message": text,
            "event_id": kept.event_id if kept else None,
            "next": target,
        }
        return _json(202, said)
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
            return pages.own_page(form.page.thanks_template.render(values), form)
        except CompileError:  # its text may quote what was sent
            log.error(
                "page_failed",
                source=source.name,
                page="thanks_template",
                event_id=kept.event_id if kept else None,
            )
    view = pages.View(
        language=language,
        title=title,
        done=text,
        link=_back(asking, language) or _again(asking, source, language),
    )
    return pages.respond(view, form, 200)


def _target(control: Mapping[str, JSON], asking: Asking) -> str | None:
    """Where the browser is sent: to the page that the form asks for, else to the configured one."""
    return _wanted(control, asking) or asking.form.redirect


def _wanted(control: Mapping[str, JSON], asking: Asking) -> str | None:
    """The first page that the form asks for and may ask for."""
    base = asking.site if asking.site in asking.landings else None
    wanted = (landing(url, asking.landings, base) for url in texts_of(control, "redirect"))
    return next((url for url in wanted if url), None)


def _back(asking: Asking, language: str) -> pages.Link | None:
    """A way back to the site, where it is one that we know."""
    site = asking.site
    if site is None or site not in asking.form.allowed_origins:
        return None
    return pages.Link(site, texts.text(language, "back_to", site=urlsplit(site).netloc))


def _again(asking: Asking, source: Source, language: str) -> pages.Link | None:
    """The way back to the hosted form, for what was sent from a page of ours."""
    is_ours = asking.is_own and asking.form.page.hosted and not asking.request.path.endswith("/")
    return (
        pages.Link(f"../forms/{source.name}", texts.text(language, "to_form")) if is_ours else None
    )


def _refused(refused: Refused, source: Source, asking: Asking, parts: Parts) -> Response:
    sent, files = _sent(asking)
    control = parted(sent, asking.form)[1]
    language = asking.language(*texts_of(control, "language"))
    key = f"refused_{refused.code}"
    ours = refused.message[:1].upper() + refused.message[1:] + "."
    message = texts.text(language, key, most=asking.form.fields.max) if texts.has(key) else ours
    faults = by_control(refused.fields, controls(asking.form.schema_document or {}))
    if asking.wants_json:
        return _json(
            refused.status, _said(refused.code, message, faults, language), refused.headers
        )
    if target := _error_page(refused, asking):
        return Response(status=303, headers={"Location": target, "Cache-Control": "no-store"})
    form = None
    problems = []
    notes = []
    if sent and (refused.fields or refused.status not in NOT_SHOWN_AGAIN):
        if is_showable(sent):
            carried = parts(source, _good_still(control, refused))
            form = filled_view(
                source,
                asking.form,
                language,
                sent,
                faults,
                carried,
                _wanted(control, asking),
                files,
            )
            notes += (
                [texts.text(language, "files_again")] if files and refused.code != NO_ROOM else []
            )
        else:
            notes.append(texts.text(language, "too_much_to_show"))
    problems = _problems(faults, form, language)
    link = (
        pages.Link(f"../forms/{source.name}", texts.text(language, "open_form"))
        if _leads_on(refused, asking, form)
        else None
    )
    view = pages.View(
        language=language,
        title=pages.heading(asking.form.page, source.name),
        trouble=message,
        problems=problems,
        notes=notes,
        form=form,
        link=link or (_back(asking, language) if form is None else None),
    )
    return pages.respond(view, asking.form, refused.status, refused.headers)


def _good_still(control: Mapping[str, JSON], refused: Refused) -> dict[str, JSON]:
    """The control fields without what a captcha gave, where its service was asked about that
    already.
    """
    asked = captchas.FIELDS if refused.status in ASKED or refused.code == "used_before" else ()
    return {name: value for name, value in control.items() if name not in asked}


def _leads_on(refused: Refused, asking: Asking, form: FormView | None) -> bool:
    """Whether the hosted form helps who came here without having sent one."""
    return (
        refused.status == 405
        and form is None
        and asking.form.page.hosted
        and not asking.request.path.endswith("/")
    )


def _problems(
    faults: Mapping[str, FieldFault], form: FormView | None, language: str
) -> list[pages.Problem]:
    """The lines of the summary, in the order of the form."""
    # of several of a name the first
    shown = {field.control.name: field for field in reversed(form.fields)} if form else {}
    order = {name: place for place, name in enumerate(reversed(shown))}
    lines = []
    for name in sorted(faults, key=lambda name: (order.get(name, len(order)), name)):
        field = shown.get(name)
        said = texts.say(language, faults[name])
        label = field.control.label if field else name or texts.text(language, "whole_form")
        lines.append(pages.Problem(label, field.id if field else "", said))
    return lines


def _said(
    code: str, message: str, faults: Mapping[str, FieldFault], language: str
) -> dict[str, JSON]:
    """What is wrong as JSON; `fields` by name, and `errors` as a list with a code for each."""
    fields = {name: texts.say(language, fault) for name, fault in faults.items()}
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


def _error_page(refused: Refused, asking: Asking) -> str | None:
    """The page that `on_error` leads to, with what is wrong in its query: a code of ours, and
    fields that the schema names.
    """
    given = asking.form.on_error
    if given == "page" or refused.status in (403, 405):
        return None
    url = (
        landing(asking.request.headers.get("Referer", ""), asking.form.allowed_origins)
        if given == "back"
        else given
    )
    if url is None:
        return None
    known = asking.form.properties
    query = {
        FORM_ERROR: refused.code,
        FORM_FIELDS: ",".join(name for name in refused.fields if name in known),
    }
    parts = urlsplit(url)
    before = [
        part
        for part in parts.query.split("&")
        if part and not part.startswith((f"{FORM_ERROR}=", f"{FORM_FIELDS}="))
    ]
    return urlunsplit(
        parts._replace(
            query="&".join(
                [*before, urlencode({name: value for name, value in query.items() if value})]
            )
        )
    )


def _json(
    status: int, said: Mapping[str, JSON], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(said),
        status=status,
        content_type="application/json",
        headers=dict(headers or {}),
    )
