"""Write a part of an expression as text, for error messages. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bridge.routing.expressions.roots import Node

COMPARATORS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_LOOSE = frozenset({"pipe", "or_expression", "and_expression", "comparator"})


def unparse(node: Node) -> str:
    """Return the expression that `node` was parsed from (spacing aside)."""
    return _WRITE[node["type"]](node)


def _texts(node: Node, between: str = ", ") -> str:
    return between.join(map(unparse, node["children"]))


def _joined(between: str) -> Callable[[Node], str]:
    return lambda node: between.join(map(_grouped, node["children"]))


def name_text(text: str) -> str:
    """Return a name as it is written in an expression, in double quotes where needed."""
    return text if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) else json.dumps(text)


def _grouped(node: Node) -> str:
    text = unparse(node)
    return f"({text})" if node["type"] in _LOOSE else text


def _slice(node: Node) -> str:
    return "[" + ":".join("" if part is None else str(part) for part in node["children"]) + "]"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    text = json.dumps(value)
    return text if isinstance(value, (int, float)) and not isinstance(value, bool) else f"`{text}`"


def _projection(node: Node) -> str:
    kind = node["type"]
    parts = node["children"]
    left = _grouped(parts[0])
    right = unparse(parts[1])
    if kind == "filter_projection":
        left += f"[?{unparse(parts[2])}]"
    elif kind == "value_projection":
        left += ".*" if left else "*"
    elif parts[0]["type"] != "flatten" and not left.endswith("]"):
        left += "[*]"
    if not right:
        return left
    return (
        left + right
        if right.startswith("[") and parts[1]["type"] != "multi_select_list"
        else f"{left}.{right}"
    )


_WRITE: dict[str, Callable[[Node], str]] = {
    "field": lambda node: name_text(node["value"]),
    "literal": lambda node: _literal(node["value"]),
    "index": lambda node: f"[{node['value']}]",
    "slice": _slice,
    "current": lambda _node: "@",
    "identity": lambda _node: "",
    "subexpression": _joined("."),
    "index_expression": _joined(""),
    "flatten": lambda node: _joined("")(node) + "[]",
    "pipe": _joined(" | "),
    "or_expression": _joined(" || "),
    "and_expression": _joined(" && "),
    "comparator": lambda node: _joined(f" {COMPARATORS[node['value']]} ")(node),
    "function_expression": lambda node: f"{node['value']}({_texts(node)})",
    "expref": lambda node: "&" + _texts(node),
    "not_expression": lambda node: "!" + _grouped(node["children"][0]),
    "multi_select_list": lambda node: f"[{_texts(node)}]",
    "multi_select_dict": lambda node: "{" + _texts(node) + "}",
    "key_val_pair": lambda node: f"{name_text(node['value'])}: {_texts(node)}",
    "projection": _projection,
    "value_projection": _projection,
    "filter_projection": _projection,
}
