"""HTML controls of a form, and their attributes, made from its JSON Schema. Pure.

Browsers get the constraints that HTML has (https://html.spec.whatwg.org/multipage/input.html); the
server validates the schema again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.core.model import JSON

INPUT_TYPES = {
    "email": "email",
    "idn-email": "email",
    "uri": "url",
    "iri": "url",
    "url": "url",
    "date": "date",
}
PHONE_NAMES = re.compile(r"(tele)?phone|tel|mobile|telefon|telephone|telefono", re.IGNORECASE)
#: A field's name, letters only -> its autocomplete token.
#: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill
AUTOCOMPLETE: Mapping[str, str] = {
    **dict.fromkeys(("name", "fullname", "yourname"), "name"),
    **dict.fromkeys(("firstname", "givenname", "vorname", "prenom", "nombre"), "given-name"),
    **dict.fromkeys(
        ("lastname", "familyname", "surname", "nachname", "nom", "apellido"), "family-name"
    ),
    **dict.fromkeys(("email", "mail", "emailaddress", "youremail", "replyto"), "email"),
    **dict.fromkeys(
        ("phone", "tel", "telephone", "phonenumber", "mobile", "telefon", "telefono"), "tel"
    ),
    **dict.fromkeys(
        ("company", "organization", "organisation", "firma", "entreprise", "empresa"),
        "organization",
    ),
    **dict.fromkeys(("jobtitle", "role", "position"), "organization-title"),
    **dict.fromkeys(("street", "address", "streetaddress", "strasse"), "street-address"),
    **dict.fromkeys(("city", "town", "ort", "stadt", "ville", "ciudad"), "address-level2"),
    **dict.fromkeys(("state", "region", "province"), "address-level1"),
    **dict.fromkeys(("zip", "zipcode", "postalcode", "postcode", "plz"), "postal-code"),
    **dict.fromkeys(("country", "land", "pays", "pais"), "country-name"),
    **dict.fromkeys(("website", "url", "homepage"), "url"),
    **dict.fromkeys(("birthday", "birthdate", "dateofbirth", "bday"), "bday"),
}


def number_attributes(rule: Mapping[str, Any], kind: str) -> dict[str, Any]:
    step = rule.get("multipleOf")
    attributes: dict[str, Any] = {
        "step": step if isinstance(step, int | float) else 1 if kind == "integer" else "any"
    }
    least = rule.get("minimum")
    greatest = rule.get("maximum")
    if kind == "integer":  # HTML has no exclusive limits
        least = (
            rule["exclusiveMinimum"] + 1 if isinstance(rule.get("exclusiveMinimum"), int) else least
        )
        greatest = (
            rule["exclusiveMaximum"] - 1
            if isinstance(rule.get("exclusiveMaximum"), int)
            else greatest
        )
    attributes |= {
        key: value
        for key, value in (("min", least), ("max", greatest))
        if isinstance(value, int | float)
    }
    return attributes | {
        "inputmode": (
            "numeric"
            if kind == "integer" and (least or 0) >= 0 and least is not None
            else "decimal"
        )
    }


def anchor_pattern(pattern: str) -> str:
    """Return a JSON Schema pattern as a `pattern` attribute, which must match the whole value."""
    if (
        pattern.startswith("^")
        and pattern.endswith("$")
        and "|" not in pattern
        and not pattern.endswith("\\$")
    ):
        return pattern[1:-1]
    return f".*(?:{pattern}).*"


def autocomplete(name: str) -> dict[str, str]:
    token = AUTOCOMPLETE.get(re.sub(r"[^a-z]", "", name.lower()))
    return {"autocomplete": token} if token else {}


LONG_TEXT_CHARS = 200  # from which a text gets a textarea
MAX_FIELDS = 200  # of one form
MAX_REFS = 10  # references that are followed from one property
_LONG_TEXT_NAMES = re.compile(
    r"message|comment|description|text|notes?|question|feedback|details|body|nachricht|mensaje",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """An HTML control for one field.

    `kind`: input, textarea, select, checkbox, choices (several checkboxes) or file. `attributes`:
    in addition to name, id and value, in order; True is an attribute without a value. `options`:
    (value, label). `value`: the initial value; for a checkbox that is ticked at first, the value
    that it sends; a tuple for `choices`.
    """

    name: str
    label: str
    kind: str = "input"
    hint: str = ""
    required: bool = False
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    options: tuple[tuple[str, str], ...] = ()
    value: str | tuple[str, ...] = ""

    @property
    def slug(self) -> str:
        """The name as the end of an id, unique unless two names differ in punctuation only."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-") or "field"


def controls(schema: Mapping[str, JSON]) -> tuple[Control, ...]:
    """Return the controls of a form's schema, in the order of its properties."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return ()
    required = schema.get("required") or ()
    made = (
        _control(name, _resolve_refs(rule, schema), required=name in required)
        for name, rule in list(properties.items())[:MAX_FIELDS]
    )
    return tuple(control for control in made if control is not None)


def guess_control(name: str, text: str) -> Control:
    """Return a control for a field that is not in the schema, large enough for its text."""
    made = _line({}, {"name": name, "label": _readable(name) or "?"}, required=bool(text.strip()))
    is_long = "\n" in text or len(text) > LONG_TEXT_CHARS
    return replace(made, kind="textarea", attributes={"rows": 6}) if is_long else made


def _resolve_refs(rule: Any, schema: Mapping[str, JSON]) -> Mapping[str, Any]:
    """Return a property's schema with its `$ref` within the document resolved."""
    for _ in range(MAX_REFS):
        ref = rule.get("$ref") if isinstance(rule, Mapping) else None
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        target: Any = schema
        for step in ref[2:].split("/"):
            target = (
                target.get(step.replace("~1", "/").replace("~0", "~"))
                if isinstance(target, Mapping)
                else None
            )
        if not isinstance(target, Mapping):
            break
        rule = {**target, **{key: value for key, value in rule.items() if key != "$ref"}}
    return rule if isinstance(rule, Mapping) else {}


def _control(name: str, rule: Mapping[str, Any], *, required: bool) -> Control | None:
    """Return the control of a property; None for an object, which has no single control."""
    kind = kind_of(rule)
    if kind == "object":
        return None
    make = next(make for fits, make in MAKERS if fits(rule, kind))
    common = {
        "name": name,
        "label": _text(rule.get("title")) or _readable(name),
        "hint": _text(rule.get("description")),
    }
    return make(rule, common, required)


def kind_of(rule: Mapping[str, Any]) -> str:
    """Return the first type other than null in a property's schema; `string` by default."""
    kinds = rule.get("type")
    listed = kinds if isinstance(kinds, list) else [kinds]
    return next((kind for kind in listed if isinstance(kind, str) and kind != "null"), "string")


def _file(_rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    return Control(**common, kind="file", required=required)


def _box(rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    """Return a checkbox.

    A required boolean is false if it is not ticked; a box for a single allowed value must be
    ticked.
    """
    only = rule.get("const", True)
    must = (required and "const" in rule) or rule.get("const") is True or rule.get("enum") == [True]
    ticked = "default" in rule and rule["default"] == only
    value = _shown(only) if ticked else ""
    return Control(
        **common, kind="checkbox", required=must, attributes={"value": _shown(only)}, value=value
    )


def _several(rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    items = rule["items"] if isinstance(rule.get("items"), Mapping) else {}
    required = required or bool(rule.get("minItems"))
    if items.get("format") == "binary":
        return Control(**common, kind="file", required=required, attributes={"multiple": True})
    if options := _options(items):
        default = rule.get("default")
        selected = tuple(map(_shown, default)) if isinstance(default, list) else ()
        return Control(**common, kind="choices", required=required, options=options, value=selected)
    control = _control(common["name"], items, required=required)
    return Control(
        **common, required=required, attributes=control.attributes if control else {"type": "text"}
    )


def _list(rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    attributes = autocomplete(common["name"])
    return Control(
        **common,
        kind="select",
        required=required,
        options=_options(rule),
        attributes=attributes,
        value=_first(rule),
    )


def _number(rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    attributes = {"type": "number", **number_attributes(rule, kind_of(rule))}
    return Control(**common, required=required, attributes=attributes, value=_first(rule))


def _line(rule: Mapping[str, Any], common: Common, required: bool) -> Control:
    """Return an input or a textarea for a text."""
    limits = {
        key: rule[word]
        for key, word in (("minlength", "minLength"), ("maxlength", "maxLength"))
        if isinstance(rule.get(word), int)
    }
    if limits.get("minlength") == 0:
        del limits["minlength"]
    name = common["name"]
    form = rule.get("format")
    longest = limits.get("maxlength")
    is_long = (
        longest >= LONG_TEXT_CHARS if longest is not None else bool(_LONG_TEXT_NAMES.search(name))
    )
    if is_long and form is None and "pattern" not in rule:
        return Control(
            **common,
            kind="textarea",
            required=required,
            attributes={"rows": 6, **limits},
            value=_first(rule),
        )
    kind = INPUT_TYPES.get(str(form)) or (
        "tel" if PHONE_NAMES.fullmatch(re.sub(r"[^A-Za-z]", "", name)) else "text"
    )
    attributes: dict[str, Any] = {
        "type": kind,
        **autocomplete(name),
        **(limits if kind != "date" else {}),
    }
    if isinstance(rule.get("pattern"), str) and kind != "date":
        attributes |= {
            "pattern": anchor_pattern(rule["pattern"]),
            **({"title": common["hint"]} if common["hint"] else {}),
        }
    return Control(**common, required=required, attributes=attributes, value=_first(rule))


Common = dict[str, Any]
#: The makers of controls: the first that matches a property's schema and type is used.
MAKERS: Sequence[
    tuple[
        Callable[[Mapping[str, Any], str], bool],
        Callable[[Mapping[str, Any], Common, bool], Control],
    ]
] = (
    (lambda rule, _: rule.get("format") == "binary", _file),
    (lambda rule, kind: kind == "boolean" or "const" in rule, _box),
    (lambda _, kind: kind == "array", _several),
    (lambda rule, _: bool(_options(rule)), _list),
    (lambda _, kind: kind in ("integer", "number"), _number),
    (lambda *_: True, _line),
)


def _options(rule: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the options of `enum`, or of `oneOf`/`anyOf` with `const` and `title`."""
    members = rule.get("enum")
    if isinstance(members, list):
        return tuple(
            (_shown(member), _shown(member))
            for member in members
            if member is not None and member != ""
        )
    for word in ("oneOf", "anyOf"):
        rows = rule.get(word)
        if (
            isinstance(rows, list)
            and rows
            and all(isinstance(row, Mapping) and "const" in row for row in rows)
        ):
            return tuple(
                (_shown(row["const"]), _text(row.get("title")) or _shown(row["const"]))
                for row in rows
            )
    return ()


def _readable(name: str) -> str:
    """Return a property's name as a label: `first_name` becomes First name."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"[_\-.\[\]\s]+", " ", name)).strip()
    return (
        words[:1].upper() + (words[1:] if words.isupper() else words[1:].lower()) if words else name
    )


def _first(rule: Mapping[str, Any]) -> str:
    return _shown(rule.get("default"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _shown(value: Any) -> str:
    """Return a value as the text of a form control."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
