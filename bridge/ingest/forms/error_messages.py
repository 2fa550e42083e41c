"""Error messages for each field of a submission, from the failures of a JSON Schema. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bridge.core.errors import FieldFault
from bridge.core.model import JSON
from bridge.ingest.forms.controls import Control
from bridge.routing.schemas.messages import Failure
from bridge.routing.schemas.validator import Validator

MAX_FAULTY_FIELDS = 50  # fields with a message
_BY_TYPE = {
    "integer": "no_integer",
    "number": "no_number",
    "boolean": "no_boolean",
    "array": "no_list",
    "string": "no_text",
}
_BY_FORMAT = {
    **dict.fromkeys(("email", "idn-email"), "no_email"),
    **dict.fromkeys(("uri", "iri", "uri-reference", "iri-reference", "url"), "no_url"),
    "date": "no_date",
    "time": "no_time",
    "date-time": "no_date_time",
}


def _by_limit(key: str) -> Callable[[Failure], FieldFault]:
    return lambda failure: FieldFault(key, limit=_number(failure.limit))


def _number(limit: Any) -> Any:
    """Return 5.0 as 5."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _type(failure: Failure) -> FieldFault:
    kinds = failure.limit if isinstance(failure.limit, list) else [failure.limit]
    return FieldFault(next((_BY_TYPE[kind] for kind in kinds if kind in _BY_TYPE), "wrong"))


def _const(failure: Failure) -> FieldFault:
    return FieldFault("required_box" if failure.limit is True else "no_option")


def _shortest(failure: Failure) -> FieldFault:
    return FieldFault("required") if failure.value == "" else _by_limit("too_short")(failure)


def _fewest(failure: Failure) -> FieldFault:
    return (
        FieldFault("required")
        if failure.value == [] and failure.limit == 1
        else _by_limit("too_few")(failure)
    )


def _extra(failure: Failure) -> FieldFault:
    return (
        FieldFault("unknown_fields", names=failure.names) if failure.names else FieldFault("wrong")
    )


#: keyword of the schema -> the message for a value that fails it
FAULT_BY_KEYWORD: Mapping[str, Callable[[Failure], FieldFault]] = {
    "type": _type,
    "const": _const,
    "enum": lambda _: FieldFault("no_option"),
    "format": lambda failure: FieldFault(_BY_FORMAT.get(failure.limit, "wrong_form")),
    "pattern": lambda _: FieldFault("wrong_form"),
    "minLength": _shortest,
    "maxLength": _by_limit("too_long"),
    "minimum": _by_limit("too_small"),
    "maximum": _by_limit("too_large"),
    "exclusiveMinimum": _by_limit("not_above"),
    "exclusiveMaximum": _by_limit("not_below"),
    "multipleOf": _by_limit("not_multiple"),
    "minItems": _fewest,
    "maxItems": _by_limit("too_many"),
    "uniqueItems": lambda _: FieldFault("repeated"),
    "contains": lambda _: FieldFault("no_option"),
    "additionalProperties": _extra,
    "unevaluatedProperties": _extra,
}


def field_faults(fields: Mapping[str, JSON], schema: Validator) -> dict[str, FieldFault]:
    """Return the fault of each field by its name; a fault of the whole form is under ``""``.

    For several faults of a field it is the first, except that an empty required field is always
    `required`.
    """
    faults: dict[str, FieldFault] = {}
    for failure in schema.failures(fields):
        for name, fault in _of(failure):
            if len(faults) < MAX_FAULTY_FIELDS or name in faults:
                faults.setdefault(name, fault)
    if "" not in fields.values():
        return faults
    must = {
        name
        for failure in schema.failures({})
        if not failure.steps
        for name in failure.names
        if failure.keyword == "required"
    }
    return {
        name: FieldFault("required") if name in must and fields.get(name) == "" else fault
        for name, fault in faults.items()
    }


#: kind of a control -> the message for an empty one
EMPTY_FAULTS = {
    "checkbox": "required_box",
    "select": "required_choice",
    "choices": "required_choice",
}


def reword_by_control(
    faults: Mapping[str, FieldFault], listed: Iterable[Control]
) -> dict[str, FieldFault]:
    """Return the faults, with the message for an empty field worded for its control.

    For example, a box is ticked, not filled in.
    """
    words = {
        control.name: EMPTY_FAULTS[control.kind]
        for control in listed
        if control.kind in EMPTY_FAULTS
    }

    def reworded(name: str, fault: FieldFault) -> FieldFault:
        return FieldFault(words[name]) if fault.key == "required" and name in words else fault

    return {name: reworded(name, fault) for name, fault in faults.items()}


def _of(failure: Failure) -> list[tuple[str, FieldFault]]:
    where = str(failure.steps[0]) if failure.steps else ""
    if failure.keyword in ("required", "dependentRequired"):
        return [(where or name, FieldFault("required")) for name in failure.names] or [
            (where, FieldFault("wrong"))
        ]
    write = FAULT_BY_KEYWORD.get(failure.keyword)
    return [(where, write(failure) if write else FieldFault("wrong"))]
