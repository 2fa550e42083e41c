"""Turn the controls of an HTML form into a JSON Schema. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern
from bridge.services.importers.html_reader import HtmlControl
from bridge.services.importers.model import FindingLog

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
    is_required = any("required" in one.attributes for one in controls)
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
    given = controls[0].attributes
    step = given.get("step", "1")
    rule: Rule = {"type": "integer" if re.fullmatch(r"[0-9]{1,9}", step) else "number"}
    for attribute, key in (("min", "minimum"), ("max", "maximum")):
        text = given.get(attribute, "")
        if re.fullmatch(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?", text):
            rule[key] = float(text) if "." in text else int(text)
    return rule


def _checkbox(controls: Sequence[HtmlControl], _log: FindingLog) -> Rule:
    values = list(dict.fromkeys(one.attributes.get("value", "on") for one in controls))
    if len(controls) > 1:
        return {"type": "array", "items": {"type": "string", "enum": values}}
    is_required = "required" in controls[0].attributes
    if values[0].lower() in TRUE_VALUES:
        return {"type": "boolean", "const": True} if is_required else {"type": "boolean"}
    return {"type": "string", "const": values[0]}


def _radio(controls: Sequence[HtmlControl], _log: FindingLog) -> Rule:
    values = dict.fromkeys(one.attributes.get("value", "on") for one in controls)
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
