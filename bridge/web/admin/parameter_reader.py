"""Reads query parameters of the admin API by their rows, with errors for all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.core.model import JSON
from bridge.core.typos import find_typo
from bridge.web.admin.problems import AdminProblem, ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter.

    `parse` returns its value, or raises `ValueError` with a message for the client.
    `reads_contents`: the answer depends on contents of payloads, so it needs the scope `bodies`.
    `max_count`: how often it may be given; its value is a list if that is more than once.
    """

    name: str
    doc: str
    parse: Callable[[str], Any] = str
    schema: Mapping[str, JSON] = field(default_factory=lambda: {"type": "string"})
    allowed: Sequence[str] = ()
    default: Any = None
    is_required: bool = False
    reads_contents: bool = False
    max_count: int = 1


def read_parameters(
    given: Mapping[str, Sequence[str]], parameters: Sequence[Parameter]
) -> dict[str, Any]:
    """Return the values of all parameters by name.

    Raises `AdminProblem` with every parameter that is unknown, repeated or not valid.
    """
    known = {one.name: one for one in parameters}
    errors = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {}
    for one in parameters:
        texts = given.get(one.name, ())
        if one.is_required and not texts:
            errors.append(ParameterError(one.name, f"it is missing: {one.doc}"))
            continue
        if len(texts) > one.max_count:
            times = "once" if one.max_count == 1 else f"{one.max_count} times"
            errors.append(ParameterError(one.name, f"it may be given {times}"))
            continue
        try:
            found = [_parse(one, text) for text in texts]
        except ValueError as error:
            errors.append(ParameterError(one.name, str(error), _near(one, texts), one.allowed))
            continue
        values[one.name] = (
            (found or None) if one.max_count > 1 else found[0] if found else one.default
        )
    if errors:
        names = ", ".join(dict.fromkeys(one.parameter for one in errors))
        raise AdminProblem("invalid_parameter", f"not valid: {names}", errors=errors)
    return values


def _parse(one: Parameter, text: str) -> Any:
    if "\0" in text:
        raise ValueError("it contains a null character")
    if one.allowed and text not in one.allowed:
        raise ValueError(f"{text[:100]!r} is not one of {', '.join(one.allowed)}")
    return one.parse(text)


def _near(one: Parameter, texts: Sequence[str]) -> str | None:
    return next((near for text in texts if (near := find_typo(text, list(one.allowed)))), None)


def _unknown(name: str, known: Mapping[str, Parameter]) -> ParameterError:
    near = find_typo(name, list(known))
    meant = f"; did you mean {near}?" if near else ""
    return ParameterError(name[:100], f"there is no such parameter{meant}", near, list(known))
