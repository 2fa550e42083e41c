"""The parameters of adnanh/webhook, as paths of routes.yaml. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.routing.matching.matcher import path_steps

MAX_EXACT_INTEGER: Final = 2**53
MASKED_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


class NotCarried(Exception):
    """A part of a hook has no counterpart; the text says why."""


@dataclass(frozen=True, slots=True)
class HookParameter:
    """A parameter: its source in lower case, its name, and its other keys as they are."""

    source: str
    name: str
    keys: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Reference:
    """The place of a value in an event: a root with steps, or a constant text."""

    steps: tuple[str, ...] = ()
    constant: str | None = None

    @property
    def is_typed(self) -> bool:
        """Whether the value may be other than text: it is in the body."""
        return self.steps[:1] == ("body",)

    @property
    def expression(self) -> str:
        """The place as an expression."""
        return write_path(self.steps)

    @property
    def key(self) -> str | None:
        """The place as a key of `match`; null where only an expression can say it."""
        joined = ".".join(self.steps)
        try:
            steps = path_steps(joined)
        except CompileError:
            return None
        return joined if steps == self.steps else None


def write_path(steps: tuple[str, ...]) -> str:
    """Return the path as a JMESPath expression."""
    text = steps[0]
    for step in steps[1:]:
        if step.isascii() and step.isdigit():
            text += f"[{int(step)}]"
        else:
            text += "." + (step if _NAME.fullmatch(step) else json.dumps(step))
    return text


def write_literal(value: JSON) -> str:
    """Return a value as a literal of an expression."""
    if isinstance(value, str) and not set("'\\`") & set(value):
        return f"'{value}'"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return "`{}`".format(json.dumps(value).replace("`", "\\u0060"))


def read_parameter(value: Any) -> HookParameter:
    """Return a parameter, or raise `NotCarried`."""
    if not isinstance(value, dict):
        raise NotCarried("it is not an object with `source` and `name`")
    keys = {str(key).lower(): entry for key, entry in value.items()}
    source = keys.get("source", "")
    name = text_of(keys.get("name", ""))
    if not isinstance(source, str) or name is None:
        raise NotCarried("its `source` or `name` is not a text")
    return HookParameter(source, name, keys)


def find_reference(parameter: HookParameter, unwrapped: str | None) -> Reference:
    """Return where a parameter is in an event; `NotCarried` where an event does not have it.

    `unwrapped`: the form field whose JSON is the body, as the provider decodes it.
    """
    find = _SOURCES.get(parameter.source)
    if find is None:
        raise NotCarried(
            f"webhook knows no parameter source `{parameter.source[:40]}` that reads this"
        )
    if "${" in parameter.name and parameter.source != "string":
        raise NotCarried("a name with ${ cannot be written into routes.yaml")
    return find(parameter.name, unwrapped)


def _find_header(name: str, _unwrapped: str | None) -> Reference:
    if name.lower() in MASKED_HEADERS:
        raise NotCarried(f"the header {name} is a credential, which an event does not contain")
    return Reference(("headers", name.lower()))


def _find_payload(name: str, unwrapped: str | None) -> Reference:
    steps = tuple(name.split("."))
    is_list = steps[0] == "root" and len(steps) > 1 and steps[1].isdigit()
    if is_list or steps[0] == unwrapped:
        steps = steps[1:]
    if "" in steps:
        raise NotCarried("the name has an empty step")
    return Reference(("body", *steps))


def _find_request(name: str, _unwrapped: str | None) -> Reference:
    if name.lower() == "method":
        return Reference(constant="POST")
    if name.lower() == "remote-addr":
        raise NotCarried("the sender's address is not part of an event")
    raise NotCarried("webhook knows only method and remote-addr of a request")


def _find_raw_body(_name: str, _unwrapped: str | None) -> Reference:
    raise NotCarried("an event has the parsed body, not its text")


def _find_query(name: str, _unwrapped: str | None) -> Reference:
    return Reference(("query", name))


_SOURCES: Final[Mapping[str, Callable[[str, str | None], Reference]]] = {
    "string": lambda name, _: Reference(constant=name),
    "header": _find_header,
    "url": _find_query,
    "query": _find_query,
    "payload": _find_payload,
    "request": _find_request,
    "raw-request-body": _find_raw_body,
    "entire-payload": lambda *_: Reference(("body",)),
    "entire-query": lambda *_: Reference(("query",)),
    "entire-headers": lambda *_: Reference(("headers",)),
}


def expected_values(text: str, reference: Reference) -> list[JSON]:
    """Return the values that are this text where webhook compares them.

    It compares text: the number 5 of a JSON body is "5" there, and true is "true".
    """
    values: list[JSON] = [text]
    if not reference.is_typed:
        return values
    if text in ("true", "false"):
        values.append(text == "true")
    elif _NUMBER.fullmatch(text):
        number: float = float(text) if "." in text else int(text)
        if abs(number) <= MAX_EXACT_INTEGER and str(number) == text:
            values.append(number)
    elif text[:1] in ("{", "["):
        values += _container(text)
    return values


def _container(text: str) -> list[JSON]:
    """Return the object or array that Go writes as this text, in a list, or an empty list."""
    try:
        value = json.loads(text)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return []
    return [value] if again == text and not set("<>&") & set(text) else []


def text_of(value: JSON) -> str | None:
    """Return a scalar as text, as webhook reads a number where it needs a text; else None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return None
