"""The rows of the function table, and the type check of arguments. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON

MAX_TEXT = 1024 * 1024  # characters a function may return
MAX_ITEMS = 100_000  # elements a function may return


class ExpressionReference:
    """An expression passed as an argument (`&name`), to be applied to each element."""

    __slots__ = ("apply",)

    def __init__(self, apply: Callable[[JSON], JSON]) -> None:
        self.apply = apply


@dataclass(frozen=True, slots=True)
class Function:
    """A row of the function table.

    `arguments` are "name: type", where type is `any` or JSON types joined by `|` (`array[string]`,
    `expression` too); a name ending in `?` may be left out, and one ending in `*` may be repeated.
    `example` is an expression, `result` its value.
    """

    name: str
    arguments: tuple[str, ...]
    doc: str
    example: str
    result: JSON
    call: Callable[..., JSON]
    #: `call` gets each argument as a function without parameters, and evaluates those it needs
    lazy: bool = False
    #: replaces `call` in a comparison, where the value is not a text
    call_in_comparison: Callable[..., Any] | None = None
    needs_roots: bool = False  #: `call` gets the roots and `now` before its arguments

    @property
    def types(self) -> tuple[str, ...]:
        """The type of each argument."""
        return tuple(argument.partition(": ")[2] for argument in self.arguments)

    @property
    def min_arguments(self) -> int:
        """The minimum number of arguments."""
        return sum(
            not argument.partition(":")[0].endswith(("?", "*")) for argument in self.arguments
        )

    @property
    def max_arguments(self) -> int | None:
        """The maximum number of arguments; null for any number."""
        return (
            None
            if self.arguments and self.arguments[-1].partition(":")[0].endswith("*")
            else len(self.arguments)
        )

    @property
    def signature(self) -> str:
        """The function with its parameters: `replace(text, old, new)`."""
        parameters = []
        for argument in self.arguments:
            name = argument.partition(":")[0]
            parameters.append(
                f"[{name[:-1]}]"
                if name.endswith("?")
                else f"{name[:-1]}…"
                if name.endswith("*")
                else name
            )
        return f"{self.name}({', '.join(parameters)})"


_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
    ExpressionReference: "expression",
}


def type_of(value: Any) -> str:
    """Return the JSON type of `value`."""
    return _TYPES.get(type(value), "unknown")


def check_type(value: Any, types: str, text: str) -> None:
    """Raise ExpressionError unless `value`, of the expression `text`, has a type of `types`."""
    type_name = type_of(value)
    names = types.split("|")
    if type_name in names:
        return
    if type_name == "array":
        for name in names:
            if name.startswith("array[") and _all_of(value, name[6:-1]):
                return
    needs = " or ".join(name.replace("array[", "array of ").rstrip("]") for name in names)
    if type_name == "array" and "array[" in types:
        type_name = "array of " + " and ".join(sorted({type_of(item) for item in value}))
    hint = " (use default() for a missing value)" if type_name == "null" else ""
    raise ExpressionError(f"`{shorten(text)}` is {type_name}, needs {needs}{hint}")


def _all_of(items: list[Any], type_name: str) -> bool:
    return all(_TYPES.get(type(item)) == type_name for item in items)


def shorten(text: str, limit: int = 120) -> str:
    """Return `text`, cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def check_text_length(text: str) -> str:
    """Return `text`, or raise ExpressionError if it is too long for a function's result."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"a text of more than {MAX_TEXT} characters")
    return text
