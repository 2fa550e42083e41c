"""Conditions of n8n's IF and Filter nodes with payloads, each with a label that says them.

`tests/data/n8n_verdicts.json` has what n8n decides about each.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook_rules import HookRequest

MISSING = object()
#: What `v` is in the payloads of a single comparison.
VALUES: tuple[Any, ...] = (
    MISSING,
    None,
    "",
    "paid",
    "Paid",
    "unpaid",
    "7",
    "7.0",
    "true",
    "False",
    0,
    7,
    -1,
    2.5,
    1,
    True,
    False,
    [],
    ["paid", 7],
    ["Paid"],
    {},
    {"a": "paid"},
)
#: What `a` and `b` are in those of several.
SHORT_VALUES: tuple[Any, ...] = (MISSING, "paid", "open", 7, 3, True)
PAIRS = tuple(itertools.product(SHORT_VALUES, repeat=2))

BINARY = {
    "string": ("equals", "contains", "startsWith", "endsWith"),
    "number": ("equals", "gt", "gte", "lt", "lte"),
    "boolean": ("equals",),
    "array": ("contains",),
}
UNARY = ("exists", "empty")
WITHOUT_OPPOSITE = ("gt", "gte", "lt", "lte")
RIGHTS: Mapping[str, tuple[Any, ...]] = {
    "string": ("paid", "7", "true", ""),
    "number": (0, 7, -1, "7", ""),
    "boolean": (True, False, "true"),
    "array": ("paid", 7),
}
PATTERNS = ("^pa", "/PAID/i", "^$", "a|^7", "p.id$", r"\d", "(?i)paid", r"\Apaid", "un(?=paid)")
#: What a node says about types and case, by a short name.
OPTIONS: Mapping[str, dict[str, Any]] = {
    "strict": {"caseSensitive": True, "typeValidation": "strict", "version": 2},
    "strict any-case": {"caseSensitive": False, "typeValidation": "strict", "version": 2},
    "strict v3": {"caseSensitive": True, "typeValidation": "strict", "version": 3},
    "loose v1": {"caseSensitive": True, "typeValidation": "loose", "version": 1},
    "loose v2": {"caseSensitive": True, "typeValidation": "loose", "version": 2},
    "loose v3": {"caseSensitive": True, "typeValidation": "loose", "version": 3},
    "bare": {},
}
OPTIONS_OF = {
    "string": ("strict", "strict any-case", "loose v2", "bare"),
    "number": ("strict", "strict v3", "loose v1", "loose v3"),
    "boolean": ("strict", "loose v1", "loose v2"),
    "array": ("strict", "strict any-case", "loose v2"),
    "object": ("strict", "loose v2"),
    "any": ("strict", "loose v2"),
}
OLD_TEXT = ("equal", "contains", "startsWith", "endsWith")
OLD_NUMBER = ("equal", "larger", "largerEqual", "smaller", "smallerEqual")


@dataclass(frozen=True)
class N8nCase:
    """A node with requests to its Webhook node. `is_old`: it is of version 1."""

    label: str
    parameters: dict[str, Any]
    requests: list[HookRequest] = field(repr=False)
    is_old: bool = False
    on_error: str | None = None
    kind: str = "if"

    @property
    def node(self) -> dict[str, Any]:
        """The node, as a workflow has it."""
        more = {} if self.on_error is None else {"onError": self.on_error}
        return {
            "name": "If",
            "type": f"n8n-nodes-base.{self.kind}",
            "typeVersion": 1 if self.is_old else 2,
            "parameters": self.parameters,
            **more,
        }

    @property
    def items(self) -> list[dict[str, Any]]:
        """The requests, as a Webhook node passes them on."""
        return [
            {
                "body": one.payload,
                "headers": {name.lower(): value for name, value in one.headers.items()},
                "query": one.query,
            }
            for one in self.requests
        ]


def _request(**values: Any) -> HookRequest:
    return HookRequest({name: value for name, value in values.items() if value is not MISSING})


SINGLE_REQUESTS = [_request(v=value) for value in VALUES]
PAIR_REQUESTS = [_request(a=a, b=b) for a, b in PAIRS]
PLACE_REQUESTS = [
    HookRequest({"v": "paid"}),
    HookRequest({"deep": {"v": "paid"}}),
    HookRequest({"deep": None}),
    HookRequest({"deep": "paid"}),
    HookRequest({"list": [{"v": "paid"}]}),
    HookRequest({"a-b": "paid", "a b": "paid"}),
    HookRequest([{"v": "paid"}]),
    HookRequest({}, {"X-Kind": "paid"}),
    HookRequest({}, {}, {"kind": "paid"}),
]


def _opposite(name: str) -> str:
    return f"not{name[0].upper()}{name[1:]}"


def _both_ways(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield name
        if name not in WITHOUT_OPPOSITE:
            yield _opposite(name)


def make_row(name: str, kind: str, operation: str, right: Any = MISSING) -> dict[str, Any]:
    """Return a condition on a value of the body."""
    operator: dict[str, Any] = {"type": kind, "operation": operation}
    if right is MISSING:
        operator["singleValue"] = True
    elif kind == "array":
        operator["rightType"] = "any"
    return {
        "leftValue": f"={{{{ $json.body.{name} }}}}",
        "rightValue": "" if right is MISSING else right,
        "operator": operator,
    }


def _filter(rows: list[dict[str, Any]], options: str, combinator: str = "and") -> dict[str, Any]:
    return {
        "conditions": {
            "options": OPTIONS[options],
            "conditions": rows,
            "combinator": combinator,
        },
        "options": {},
    }


def _single_rows() -> Iterator[tuple[str, str, Any]]:
    """Return the type, operation and right value of each comparison since version 2."""
    for kind, names in BINARY.items():
        for operation in _both_ways(names):
            for right in RIGHTS[kind]:
                yield kind, operation, right
    for operation, pattern in itertools.product(("regex", "notRegex"), PATTERNS):
        yield "string", operation, pattern
    for operation in ("true", "false"):
        yield "boolean", operation, MISSING
    for kind in OPTIONS_OF:
        for operation in _both_ways(UNARY if kind != "any" else UNARY[:1]):
            yield kind, operation, MISSING
    yield "number", "exists", ""  # without `singleValue`, the empty text beside it counts


def _single() -> Iterator[N8nCase]:
    for kind, operation, right in _single_rows():
        for options in OPTIONS_OF[kind]:
            said = "" if right is MISSING else f" {json.dumps(right)}"
            label = f"{options}: v {kind}:{operation}{said}"
            row = make_row("v", kind, operation, right)
            yield N8nCase(label, _filter([row], options), SINGLE_REQUESTS)


def _old_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    for operation in _both_ways(OLD_TEXT):
        for right in RIGHTS["string"]:
            yield "string", {"operation": operation, "value2": right}
    for operation, pattern in itertools.product(("regex", "notRegex"), PATTERNS):
        yield "string", {"operation": operation, "value2": pattern}
    for operation in OLD_NUMBER:
        for right in RIGHTS["number"][:3]:
            yield "number", {"operation": operation, "value2": right}
    for kind, operation in itertools.product(("string", "number"), ("isEmpty", "isNotEmpty")):
        yield kind, {"operation": operation}
    for operation, right in itertools.product(("equal", "notEqual"), (True, False)):
        yield "boolean", {"operation": operation, "value2": right}
    for kind in ("boolean", "number", "string"):
        yield kind, {}


def _old() -> Iterator[N8nCase]:
    for kind, given in _old_rows():
        row = {"value1": "={{ $json.body.v }}", **given}
        said = " ".join(str(json.dumps(one)) for one in given.values())
        parameters = {"conditions": {kind: [row]}}
        yield N8nCase(f"version 1: v {kind} {said}".strip(), parameters, SINGLE_REQUESTS, True)


#: Comparisons of `a` and `b`: some stop at a text, some at a number, some at neither.
SHORT_ROWS = (
    ("string", "equals", "paid"),
    ("string", "notContains", "pa"),
    ("number", "gt", 5),
    ("boolean", "false", MISSING),
    ("any", "exists", MISSING),
)


def _several() -> Iterator[N8nCase]:
    pairs = itertools.product(SHORT_ROWS, repeat=2)
    for (first, second), combinator in itertools.product(pairs, ("and", "or")):
        rows = [make_row("a", *first), make_row("b", *second), make_row("a", *second)]
        said = f" {combinator} ".join(
            f"{name} {':'.join(row[:2])}"
            for name, row in (("a", first), ("b", second), ("a", second))
        )
        yield N8nCase(f"strict: {said}", _filter(rows, "strict", combinator), PAIR_REQUESTS)


def _going_on() -> Iterator[N8nCase]:
    for combinator in ("and", "or"):
        rows = [make_row("a", *SHORT_ROWS[0]), make_row("b", *SHORT_ROWS[2])]
        label = f"strict, goes on: a string:equals {combinator} b number:gt"
        parameters = _filter(rows, "strict", combinator)
        yield N8nCase(label, parameters, PAIR_REQUESTS, on_error="continueRegularOutput")


def _old_several() -> Iterator[N8nCase]:
    text = {"value1": "={{ $json.body.a }}", "operation": "startsWith", "value2": "pa"}
    number = {"value1": "={{ $json.body.b }}", "operation": "larger", "value2": 5}
    for combine in ("all", "any"):
        conditions = {"string": [text], "number": [number]}  # n8n begins with the number
        parameters = {"conditions": conditions, "combineOperation": combine}
        yield N8nCase(f"version 1: {combine} of a and b", parameters, PAIR_REQUESTS, True)


#: Expressions that read a value, as a person or n8n's editor writes them.
PLACES = (
    "={{ $json.body.v }}",
    '={{$json["body"]["v"]}}',
    "={{ $json.body?.v }}",
    "={{ $json.body.v }} ",
    "= {{ $json.body.v }}",
    "={{ $json.body.deep.v }}",
    "={{ $json.body.deep?.v }}",
    "={{ $json.body.list[0].v }}",
    "={{ $json.body[0].v }}",
    "={{ $json.body['a-b'] }}",
    "={{ $json.body['a b'] }}",
    "={{ $json.headers['x-kind'] }}",
    "={{ $json.headers['X-Kind'] }}",
    "={{ $json.query.kind }}",
)


def _places() -> Iterator[N8nCase]:
    for place in PLACES:
        row = {**make_row("v", "string", "equals", "paid"), "leftValue": place}
        yield N8nCase(f"strict: {place} string:equals", _filter([row], "strict"), PLACE_REQUESTS)


def _unfinished() -> Iterator[N8nCase]:
    """Yield conditions without the parts that n8n's editor adds and other authors leave out."""
    row = make_row("v", "string", "equals", "paid")
    for label, conditions in (
        ("no options", {"conditions": [row], "combinator": "and"}),
        ("no combinator", {"conditions": [row], "options": OPTIONS["loose v2"]}),
        ("no conditions", {"conditions": [], "combinator": "and"}),
        ("none of any", {"conditions": [], "combinator": "or"}),
    ):
        yield N8nCase(f"{label}: v string:equals", {"conditions": conditions}, SINGLE_REQUESTS)


def _filters() -> Iterator[N8nCase]:
    """Yield Filter nodes, which combine with other words in version 1."""
    text = {"value1": "={{ $json.body.a }}", "operation": "notEqual", "value2": "paid"}
    number = {"value1": "={{ $json.body.b }}", "operation": "larger", "value2": 5}
    for combine in ("AND", "OR"):
        conditions = {"string": [text], "number": [number]}
        parameters = {"conditions": conditions, "combineConditions": combine}
        label = f"version 1, Filter: {combine} of a and b"
        yield N8nCase(label, parameters, PAIR_REQUESTS, True, kind="filter")
    for combinator in ("and", "or"):
        rows = [make_row("a", *SHORT_ROWS[0]), make_row("b", *SHORT_ROWS[2])]
        label = f"strict, Filter: a string:equals {combinator} b number:gt"
        parameters = _filter(rows, "strict", combinator)
        yield N8nCase(label, parameters, PAIR_REQUESTS, kind="filter")


def list_cases() -> list[N8nCase]:
    """Return all cases; each label is there once."""
    single = [*_single(), *_places(), *_unfinished(), *_old()]
    return [*single, *_several(), *_going_on(), *_old_several(), *_filters()]
