"""The conditions of n8n's IF and Filter nodes, as conditions of a route. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.services.importers.go_patterns import translate_pattern
from bridge.services.importers.hook_proofs import HookProof, read_token
from bridge.services.importers.hook_references import (
    MASKED_HEADERS,
    HookParameter,
    NotCarried,
    Reference,
    expected_values,
)
from bridge.services.importers.model import FindingLog
from bridge.services.importers.rule_clauses import TRUE, Condition, Leaf, both, either, neither
from bridge.services.importers.secret_texts import may_hold_secret

_ROOT = re.compile(
    r"=\s*\{\{\s*(?:\$json|\$node\[(?:\"[^\"]*\"|'[^']*')\]\.json"
    r"|\$\((?:\"[^\"]*\"|'[^']*')\)\.(?:item|first\(\)|last\(\))\.json)(?P<steps>[^{}]*?)\s*\}\}"
)
_STEP = re.compile(
    r"\??\.(?P<name>[A-Za-z_$][\w$]*)|(?:\?\.)?\[(?:\"(?P<double>[^\"\\]*)\"|'(?P<single>[^'\\]*)'"
    r"|(?P<index>[0-9]{1,6}))\]"
)
_JS_PATTERN = re.compile(r"/(?P<pattern>.*?)/(?P<flags>[gimusy]*)", re.DOTALL)
#: The operations of version 1 -> those of version 2.
OLD_OPERATIONS: Final = {
    "equal": "equals",
    "notEqual": "notEquals",
    "smaller": "lt",
    "smallerEqual": "lte",
    "larger": "gt",
    "largerEqual": "gte",
    "isEmpty": "empty",
    "isNotEmpty": "notEmpty",
}
OPPOSITES: Final = {
    "notEquals": "equals",
    "notContains": "contains",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "notRegex": "regex",
    "notEmpty": "empty",
    "notExists": "exists",
}


@dataclass(frozen=True, slots=True)
class N8nTest:
    """One comparison: the place, the operation, the type, and the value beside it."""

    reference: Reference
    operation: str
    type: str
    value: JSON
    ignores_case: bool


def read_conditions(
    parameters: Mapping[str, Any], log: FindingLog, proofs: list[HookProof]
) -> Condition:
    """Return when an IF or Filter node passes an item; `NotCarried` where a part cannot be.

    Comparisons with a credential are added to `proofs`.
    """
    given = parameters.get("conditions")
    if not isinstance(given, dict):
        raise NotCarried("it has no conditions that can be read")
    if "combinator" in given:
        return _read_new(given, log, proofs)
    combine = str(parameters.get("combineOperation", parameters.get("combineConditions", "all")))
    is_any = combine.lower() in ("any", "or")
    return _read_old(given, "any" if is_any else "all", log, proofs)


def _read_new(given: Mapping[str, Any], log: FindingLog, proofs: list[HookProof]) -> Condition:
    rows = given.get("conditions")
    options = given.get("options")
    options = options if isinstance(options, dict) else {}
    if not isinstance(rows, list) or given["combinator"] not in ("and", "or"):
        raise NotCarried("its conditions are not a list with `and` or `or`")
    is_any = given["combinator"] == "or" and len(rows) > 1
    found = []
    for number, row in enumerate(rows):
        operator = row.get("operator") if isinstance(row, dict) else None
        if not isinstance(operator, dict):
            raise NotCarried(f"condition {number} has no operator")
        left = row.get("leftValue")
        test = _make_test(
            left,
            str(operator.get("operation")),
            str(operator.get("type")),
            row.get("rightValue"),
            ignores_case=not options.get("caseSensitive", True),
        )
        at = log.at("conditions", number)
        found.append(_read_row(test, at, proofs, is_any=is_any))
    if options.get("typeValidation", "strict") != "strict":
        log.at("conditions", "options").doubt(
            "n8n converts types before it compares; here only text and numbers are"
        )
    return either(found) if given["combinator"] == "or" else both(found)


def _read_old(
    given: Mapping[str, Any], combine: Any, log: FindingLog, proofs: list[HookProof]
) -> Condition:
    rows = [
        (str(kind), row)
        for kind, listed in given.items()
        for row in (listed if isinstance(listed, list) else [None])
    ]
    is_any = combine == "any" and len(rows) > 1
    found = []
    for number, (kind, row) in enumerate(rows):
        if not isinstance(row, dict):
            raise NotCarried(f"condition {number} is not an object")
        default = {"number": "smaller"}.get(kind, "equal")
        operation = str(row.get("operation", default))
        operation = OLD_OPERATIONS.get(operation, operation)
        test = _make_test(row.get("value1"), operation, kind, row.get("value2"), ignores_case=False)
        found.append(_read_row(test, log.at("conditions", kind, number), proofs, is_any=is_any))
    return either(found) if combine == "any" else both(found)


def _make_test(left: Any, operation: str, kind: str, right: JSON, *, ignores_case: bool) -> N8nTest:
    if isinstance(right, str) and ("{{" in right or right.startswith("=")):
        raise NotCarried("it compares with an expression")
    return N8nTest(read_expression(left), operation, kind, right, ignores_case)


def read_expression(text: Any) -> Reference:
    """Return the place that `{{ $json.body.x }}` names; `NotCarried` for another expression."""
    found = _ROOT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise NotCarried("it uses an expression other than a path below $json")
    steps: list[str] = []
    at = 0
    while at < len(found["steps"]):
        step = _STEP.match(found["steps"], at)
        if step is None:
            raise NotCarried("it uses an expression other than a path below $json")
        steps.append(next(one for one in step.groups() if one is not None))
        at = step.end()
    if len(steps) < 2 or steps[0] not in ("body", "headers", "query"):
        raise NotCarried("it reads something else than a value of body, headers or query")
    if steps[-1] == "length":
        raise NotCarried("it reads the length of a value")
    if steps[0] == "headers":
        steps = ["headers", ".".join(steps[1:]).lower()]
    return Reference(tuple(steps))


def _read_row(
    test: N8nTest, log: FindingLog, proofs: list[HookProof], *, is_any: bool
) -> Condition:
    root, name = test.reference.steps[0], test.reference.steps[-1]
    is_text = isinstance(test.value, str) and test.operation == "equals"
    if root != "body" and is_text and isinstance(test.value, str):
        source = "header" if root == "headers" else "url"
        under = frozenset({"or"}) if is_any else frozenset[str]()
        proof = read_token(HookParameter(source, name, {}), test.value, log, under)
        if proof is not None:
            proofs.append(proof)
            return TRUE
    has_value = test.operation not in ("exists", "notExists", "empty", "notEmpty")
    if has_value and may_hold_secret(name, str(test.value)):
        raise NotCarried("it seems to compare a credential, and `match` must not have one")
    if root == "headers" and name in MASKED_HEADERS:
        raise NotCarried(f"the header {name} is a credential, which an event does not contain")
    if test.reference.key is None:
        raise NotCarried(f"`match` cannot name {test.reference.expression}")
    opposite = OPPOSITES.get(test.operation)
    make = _TESTS.get((test.type, opposite or test.operation))
    if make is None:
        raise NotCarried(f"the operation {test.type}:{test.operation} has no counterpart")
    try:
        condition = make(test, test.reference.key)
    except CompileError as error:
        raise NotCarried(f"the pattern has no counterpart: {error}") from None
    log.carry(f"a clause on {test.reference.expression}")
    return neither(condition) if opposite else condition


def _equals(test: N8nTest, key: str) -> Condition:
    if test.value in ("", None):
        return _empty(test, key)
    if test.type == "string" and test.ignores_case:
        return _search(key, rf"\A{_quote(test.value)}\Z", ignores_case=True)
    if test.type == "boolean":
        return Leaf(key, test.value is True or test.value == "true")
    values = expected_values(_text(test.value), test.reference)
    return Leaf(key, values[0] if len(values) == 1 else values)


def _compare(operator: str) -> Callable[[N8nTest, str], Condition]:
    def make(test: N8nTest, key: str) -> Condition:
        value = test.value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise NotCarried("it compares with something that is not a number")
        return Leaf(key, {operator: value})

    return make


def _contains(test: N8nTest, key: str) -> Condition:
    if test.ignores_case and isinstance(test.value, str) and test.type == "string":
        return _search(key, _quote(test.value), ignores_case=True)
    if isinstance(test.value, dict | list) or (test.type == "string" and not test.value):
        raise NotCarried("it looks for an empty text, a list or an object")
    return Leaf(key, {"contains": test.value})


def _starts(test: N8nTest, key: str) -> Condition:
    if test.ignores_case:
        return _search(key, rf"\A{_quote(test.value)}", ignores_case=True)
    return Leaf(key, {"starts_with": _text(test.value)})


def _ends(test: N8nTest, key: str) -> Condition:
    if test.ignores_case:
        return _search(key, rf"{_quote(test.value)}\Z", ignores_case=True)
    return Leaf(key, {"ends_with": _text(test.value)})


def _regex(test: N8nTest, key: str) -> Condition:
    found = _JS_PATTERN.fullmatch(_text(test.value))
    pattern = found["pattern"] if found else _text(test.value)
    flags = set(found["flags"] if found else "")
    if flags & {"u", "y"}:
        raise NotCarried("the flags u and y of a pattern have no counterpart")
    if test.ignores_case:
        flags.add("i")
    kept = "".join(sorted(flags & {"i", "m", "s"}))
    return Leaf(key, {"regex": translate_pattern(f"(?{kept}){pattern}" if kept else pattern)})


def _search(key: str, pattern: str, *, ignores_case: bool) -> Condition:
    return Leaf(key, {"regex": f"(?i){pattern}" if ignores_case else pattern})


def _empty(test: N8nTest, key: str) -> Condition:
    missing = Leaf(key, {"exists": False})
    return either([missing, Leaf(key, "")]) if test.type == "string" else missing


def _quote(value: JSON) -> str:
    return re.escape(_text(value))


def _text(value: JSON) -> str:
    if isinstance(value, dict | list) or value is None:
        raise NotCarried("it compares with a list, an object or nothing")
    return value if isinstance(value, str) else json.dumps(value)


_TESTS: Final[Mapping[tuple[str, str], Callable[[N8nTest, str], Condition]]] = {
    **dict.fromkeys([(kind, "equals") for kind in ("string", "number", "boolean")], _equals),
    **{("number", name): _compare(name) for name in ("gt", "gte", "lt", "lte")},
    ("boolean", "true"): lambda _, key: Leaf(key, True),
    ("boolean", "false"): lambda _, key: neither(Leaf(key, True)),
    ("string", "contains"): _contains,
    ("array", "contains"): _contains,
    ("string", "startsWith"): _starts,
    ("string", "endsWith"): _ends,
    ("string", "regex"): _regex,
    **dict.fromkeys([(kind, "empty") for kind in ("string", "number", "boolean")], _empty),
    **dict.fromkeys(
        [
            (kind, "exists")
            for kind in ("string", "number", "boolean", "array", "object", "dateTime", "any")
        ],
        lambda _, key: Leaf(key, {"exists": True}),
    ),
}
