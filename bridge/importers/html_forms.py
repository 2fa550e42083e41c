"""Turn HTML forms of Formspree, Netlify, Basin and Web3Forms into sources and routes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from bridge.core.errors import CompileError, InvalidRequest
from bridge.core.linear_regex import Pattern
from bridge.core.model import OWN_SOURCE_NAME
from bridge.importers.html_reader import HtmlControl, HtmlForm, HtmlPage, read_page
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.ingest.forms.control_fields import CONTROL_FIELDS

Rule = dict[str, Any]
MAX_LABEL_CHARS: Final = 200
TRUE_VALUES: Final = frozenset({"", "on", "yes", "true", "1"})
#: Buttons, which send no answer.
BUTTON_TYPES: Final = frozenset({"submit", "button", "reset", "image"})


def make_rule(controls: Sequence[HtmlControl], log: FindingLog) -> tuple[Rule, bool]:
    """Return the schema of a field with these controls, and whether it is required."""
    first = controls[0]
    make = _MAKERS.get(first.type, _text)
    rule = make(controls, log)
    if first.label and first.type not in ("checkbox", "radio"):
        rule = {"title": first.label[:MAX_LABEL_CHARS].rstrip(" *:"), **rule}
    if not rule.get("title", True):
        del rule["title"]
    is_required = any("required" in control.attributes for control in controls)
    return rule, is_required


def _text(controls: Sequence[HtmlControl], log: FindingLog) -> Rule:
    first = controls[0]
    rule: Rule = {"type": "string"}
    if first.type in _FORMATS:
        rule["format"] = _FORMATS[first.type]
    for attribute, key in (("minlength", "minLength"), ("maxlength", "maxLength")):
        text = first.attributes.get(attribute, "")
        if text.isascii() and text.isdigit() and len(text) < 10:
            rule[key] = int(text)
    pattern = first.attributes.get("pattern")
    if pattern:
        try:
            written = f"^(?:{pattern})$"
            Pattern(written)
            rule["pattern"] = written
        except CompileError as error:
            log.at("pattern").refuse(f"the pattern has no counterpart: {error}")
    if len(controls) > 1:
        return {"type": "array", "items": rule}
    return rule


def _number(controls: Sequence[HtmlControl], _log: FindingLog) -> Rule:
    attributes = controls[0].attributes
    step = attributes.get("step", "1")
    rule: Rule = {"type": "integer" if re.fullmatch(r"[0-9]{1,9}", step) else "number"}
    for attribute, key in (("min", "minimum"), ("max", "maximum")):
        text = attributes.get(attribute, "")
        if re.fullmatch(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?", text):
            rule[key] = float(text) if "." in text else int(text)
    return rule


def _checkbox(controls: Sequence[HtmlControl], _log: FindingLog) -> Rule:
    values = list(dict.fromkeys(control.attributes.get("value", "on") for control in controls))
    if len(controls) > 1:
        return {"type": "array", "items": {"type": "string", "enum": values}}
    is_required = "required" in controls[0].attributes
    if values[0].lower() in TRUE_VALUES:
        return {"type": "boolean", "const": True} if is_required else {"type": "boolean"}
    return {"type": "string", "const": values[0]}


def _radio(controls: Sequence[HtmlControl], _log: FindingLog) -> Rule:
    values = dict.fromkeys(control.attributes.get("value", "on") for control in controls)
    return {"type": "string", "enum": list(values)}


def _select(controls: Sequence[HtmlControl], log: FindingLog) -> Rule:
    first = controls[0]
    values = list(dict.fromkeys(value for value, _ in first.options if value))
    if not values:
        log.doubt("the list has no options in the page, so any text is accepted")
        return {"type": "string"}
    if "multiple" in first.attributes:
        return {"type": "array", "items": {"type": "string", "enum": values}}
    is_optional = "required" not in first.attributes
    has_empty = any(not value for value, _ in first.options)
    return {"type": "string", "enum": ["", *values] if is_optional and has_empty else values}


def _file(controls: Sequence[HtmlControl], log: FindingLog) -> Rule:
    first = controls[0]
    if first.attributes.get("accept"):
        log.at("accept").doubt("the accepted types are those of `files.types` of the source")
    rule = {"type": "string", "format": "binary"}
    return {"type": "array", "items": rule} if "multiple" in first.attributes else rule


_FORMATS: Final = {"email": "email", "url": "uri", "date": "date"}
_MAKERS: Final[Mapping[str, Callable[[Sequence[HtmlControl], FindingLog], Rule]]] = {
    "number": _number,
    "range": _number,
    "checkbox": _checkbox,
    "radio": _radio,
    "select": _select,
    "file": _file,
}


#: Host of a form's action -> its service.
SERVICE_HOSTS: Final = {
    "formspree.io": "Formspree",
    "usebasin.com": "Basin",
    "api.web3forms.com": "Web3Forms",
}
#: Hosts of the services' own thank-you pages.
SERVICE_PAGES: Final = frozenset({*SERVICE_HOSTS, "web3forms.com"})
SCRIPT_HOSTS: Final = ("formspree.io", "usebasin.com", "web3forms.com", "unpkg.com/@formspree")
NETLIFY: Final = "Netlify"
DEFAULT_HONEYPOTS: Final = ("_gotcha", "botcheck", "bot-field")
CONTROL_NAMES: Final[Mapping[str, Any]] = {row.name: row for row in CONTROL_FIELDS}
_ORIGIN = re.compile(r"https://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PAGE_URL = re.compile(_ORIGIN.pattern + r"(?:[/?][A-Za-z0-9._~/?&=%+,;:@!*()#-]*)?")
_NETLIFY_MARKS = ("netlify", "data-netlify")


def import_page(name: str, text: str, result: ImportResult) -> None:
    """Add the forms of a page to `result`; `InvalidRequest` where it has none."""
    page = read_page(name, text)
    if not page.forms:
        raise InvalidRequest(f"{name}: the page has no form")
    sources: list[str] = []
    for number, form in enumerate(page.forms):
        log = FindingLog(result, name, f"form[{number}]")
        service = _find_service(form)
        if service is None:
            log.refuse(
                f"the form in line {form.line} is not sent to Formspree, Netlify, Basin or"
                " Web3Forms"
            )
        elif form.attributes.get("method", "").lower() != "post" and service != NETLIFY:
            log.at("method").refuse(f"the form in line {form.line} is sent with GET")
        else:
            sources.append(_Form(result, page, form, service, log).convert(PurePath(name).stem))
    replacement = f", or use `flowbridge form {sources[0]} --as fetch`" if sources else ""
    for src in page.scripts:
        if any(host in src for host in SCRIPT_HOSTS):
            FindingLog(result, name, "script").refuse(
                f"the script of {urlsplit(src).hostname} works only with its service: remove"
                f" it{replacement}"
            )


def _find_service(form: HtmlForm) -> str | None:
    if any(mark in form.attributes for mark in _NETLIFY_MARKS):
        return NETLIFY
    return SERVICE_HOSTS.get(_host(form.attributes.get("action", "").strip()))


@dataclass(slots=True)
class _Form:
    """Converts one form."""

    result: ImportResult
    page: HtmlPage
    form: HtmlForm
    service: str
    log: FindingLog

    def convert(self, default: str) -> str:
        """Add the source, the flow and the route of the form; return the name of the source."""
        attributes = self.form.attributes
        base_name = attributes.get("name") or attributes.get("id") or default
        name = choose_name(make_name(base_name, "form"), {*self.result.sources, OWN_SOURCE_NAME})
        source: dict[str, Any] = {"provider": "form"}
        self._read_origin(source)
        self._read_redirect(source)
        properties, required = self._read_fields(source)
        if properties:
            schema: dict[str, Any] = {"type": "object"}
            if required:
                schema["required"] = required
            source["schema"] = schema | {"properties": properties}
        self._read_attributes(source, name)
        self.result.sources[name] = source
        self.result.add_placeholder(name)
        taken = {route["name"] for route in self.result.routes}
        route = choose_name(name.lower(), taken)
        self.result.routes.append({"name": route, "on": name, "flow": name})
        self.log.at("flow").fill_in(name, f"{self.service} sent mail, which local/send_email does")
        return name

    # -- the form's own attributes

    def _read_origin(self, source: dict[str, Any]) -> None:
        try:
            parts = urlsplit(self.page.url)
            origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme == "https" else ""
        except ValueError:
            origin = ""
        if _ORIGIN.fullmatch(origin):
            source["allowed_origins"] = [origin]
            self.log.at("allowed_origins").carry(
                f"allowed_origins: {origin}, the canonical URL of the page"
            )
        else:
            self.log.at("allowed_origins").doubt(
                "to fill in: the site with the form, in `allowed_origins` of the source; without"
                " it, any site may send"
            )

    def _read_redirect(self, source: dict[str, Any]) -> None:
        for control in self.form.controls:
            if control.name not in ("_next", "_redirect", "redirect"):
                continue
            url = control.attributes.get("value", "")
            at = self.log.at("fields", control.name)
            if _host(url) in SERVICE_PAGES:
                at.refuse("the page is one of the service's own; remove the field")
            elif _PAGE_URL.fullmatch(url) and "redirect" not in source:
                source["redirect"] = url
                at.carry("the `redirect` of the source; the field works as before")
            else:
                at.doubt(
                    "the field works if its page is on the site with the form, or on one of"
                    " `allowed_origins`"
                )

    def _read_attributes(self, source: dict[str, Any], name: str) -> None:
        attributes = self.form.attributes
        target = f"https://YOUR-HOST/hooks/{name}"
        text = f'to fill in: change it in the page to action="{target}"'
        action = attributes.get("action", "")
        if self.service == NETLIFY and action:
            text += (
                ", and add a hidden field _next with the page that was there, which is shown after"
                " sending"
            )
        self.log.at("action").doubt(text)
        honeypot = attributes.get("netlify-honeypot") or attributes.get("data-netlify-honeypot")
        if honeypot and honeypot not in DEFAULT_HONEYPOTS and "${" not in honeypot:
            source["spam"] = {"honeypots": [*DEFAULT_HONEYPOTS, honeypot]}
        for key in attributes:
            at = self.log.at(key)
            if key in ("netlify-honeypot", "data-netlify-honeypot"):
                at.carry("a honeypot of the source")
            elif key in _NETLIFY_MARKS:
                at.carry("has no effect with flowbridge")
            elif "recaptcha" in key or "captcha" in key:
                at.refuse(_CAPTCHA)
            elif key.startswith(("data-netlify", "netlify", "data-basin")):
                at.refuse(f"an attribute of {self.service} that has no counterpart")
            elif key == "enctype":
                at.carry("both kinds of forms are read")
        for widget in self.form.captchas:
            self.log.at("captcha").refuse(f"{_CAPTCHA} (class {widget[:40]!r})")

    # -- its fields

    def _read_fields(self, source: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        honeypot = self.form.attributes.get("netlify-honeypot") or self.form.attributes.get(
            "data-netlify-honeypot"
        )
        by_name: dict[str, list[HtmlControl]] = {}
        for control in self.form.controls:
            if control.type in BUTTON_TYPES or (
                control.tag == "button" and control.attributes.get("type", "submit") == "submit"
            ):
                self._read_button(control, source)
            elif not control.name:
                self.log.at("fields", control.type).carry(
                    "a control without a name, or disabled: not sent"
                )
            else:
                by_name.setdefault(control.name, []).append(control)
        has_key = "access_key" in by_name
        properties: dict[str, Any] = {}
        required: list[str] = []
        for name, controls in by_name.items():
            row = CONTROL_NAMES.get(name)
            is_control = row is not None and (not row.only_with or has_key)
            if name == honeypot or is_control:
                self._report_control(name, honeypot)
                continue
            log = self.log.at("fields", name)
            rule, is_required = make_rule(controls, log)
            if "${" in f"{name}{rule}":
                log.refuse("a text with ${ cannot be written into routes.yaml")
                continue
            properties[name] = rule
            required += [name] if is_required else []
            log.carry(f"a field of the schema: {_describe(rule)}")
        return properties, required

    def _read_button(self, control: HtmlControl, source: dict[str, Any]) -> None:
        text = control.attributes.get("value", "") if control.tag == "input" else control.text
        text = " ".join(text.split())[:200]
        if (
            text
            and "${" not in text
            and "page" not in source
            and control.type in ("submit", "button")
        ):
            source["page"] = {"submit": text}
            self.log.at("submit").carry("the text of the button of the hosted form")

    def _report_control(self, name: str, honeypot: str | None) -> None:
        if name in ("_next", "_redirect", "redirect"):
            return
        log = self.log.at("fields", name)
        role = "honeypot" if name == honeypot else CONTROL_NAMES[name].role
        if role == "honeypot":
            log.carry("a honeypot")
        elif role == "proof":
            log.refuse(_CAPTCHA)
        elif role == "language":
            log.carry("the language of the answer")
        elif name == "access_key":
            log.doubt("has no effect: the URL identifies the form; remove it from the page")
        elif name == "_format":
            log.doubt("has no effect")
        else:
            log.doubt(f"a route can use it as body.{name}; it is not in `form`")


def _describe(rule: Mapping[str, Any]) -> str:
    kind = str(rule.get("format") or rule.get("type"))
    return f"one of {len(rule['enum'])} texts" if "enum" in rule else kind


def _host(text: str) -> str:
    try:
        return (urlsplit(text).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


_CAPTCHA: Final = "a captcha needs its secret: set `spam.captcha` of the source"
