"""The conditions of n8n's IF and Filter nodes, as conditions of a route. Pure.

The comparisons of version 1 are those of JavaScript, without a check of types: a missing value is 0
to a comparison of numbers, and only `startsWith` and `endsWith` stop the workflow, at a value that
is no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.importers.hook_proofs import HookProof, read_token
from bridge.importers.hook_references import (
    MASKED_HEADERS,
    HookParameter,
    NotCarried,
    Reference,
)
from bridge.importers.js_patterns import matches_empty_text, translate_js_pattern
from bridge.importers.model import FindingLog
from bridge.importers.n8n_expressions import is_expression, read_expression
from bridge.importers.n8n_filter_rows import FilterRow, FilterRules, read_filter_row
from bridge.importers.n8n_nodes import N8nNode
from bridge.importers.n8n_outcomes import (
    NodeOutputs,
    RowOutcome,
    combine_rows,
    has_type,
    is_missing,
)
from bridge.importers.n8n_values import (
    COMPARISONS,
    check_value,
    convert_value,
    is_number,
    read_number,
    write_number,
    write_text,
)
from bridge.importers.rule_clauses import TRUE, Condition, Leaf, either
from bridge.importers.secret_texts import may_hold_secret

#: Kind of a comparison -> its operation and value where the workflow leaves them out; in the order
#: in which n8n makes the comparisons.
DEFAULTS: Final[Mapping[str, tuple[str, JSON]]] = {
    "boolean": ("equal", False),
    "dateTime": ("after", ""),
    "number": ("smaller", 0),
    "string": ("equal", ""),
}
OPPOSITES: Final = {
    "notEqual": "equal",
    "notContains": "contains",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "notRegex": "regex",
    "isNotEmpty": "isEmpty",
}


@dataclass(frozen=True, slots=True)
class OldRow:
    """One comparison: the place, its key in `match`, the operation and the value beside it."""

    reference: Reference
    key: str
    kind: str
    operation: str
    value: JSON


def read_old_row(row: OldRow, log: FindingLog) -> RowOutcome:
    """Return the condition that the comparison holds.

    Raises `NotCarried` if routes.yaml cannot express it.
    """
    opposite = OPPOSITES.get(row.operation)
    made = _ROWS.get(opposite or row.operation)
    if made is None or row.kind == "dateTime":
        raise NotCarried(f"the operation {row.kind}:{row.operation} has no counterpart")
    make, doubt = made
    outcome = make(row)
    if doubt and row.reference.is_typed:
        log.doubt(doubt)
    return outcome.reverse() if opposite else outcome


def _equals(row: OldRow) -> RowOutcome:
    if row.value is None or isinstance(row.value, dict | list):
        raise NotCarried("it compares with a list, an object or nothing")
    return RowOutcome(Leaf(row.key, row.value))


def _compare(operator: str) -> Callable[[OldRow], RowOutcome]:
    sign, compare = COMPARISONS[operator]

    def make(row: OldRow) -> RowOutcome:
        if not isinstance(row.value, int | float) or not is_number(row.value):
            raise NotCarried("it compares with something that is not a number")
        number = f"to_number({row.reference.expression})"  # of text, as JavaScript reads it
        test: Condition = Leaf("when", f"{number} {sign} {write_number(row.value)}")
        if compare(0, row.value):
            test = either([test, is_missing(row.key), Leaf(row.key, ["", False])])
        return RowOutcome(test)

    return make


def _contains(row: OldRow) -> RowOutcome:
    text = write_text(row.value)
    return RowOutcome(Leaf(row.key, {"contains": text}) if text else TRUE)


def _begins_or_ends(operator: str) -> Callable[[OldRow], RowOutcome]:
    def make(row: OldRow) -> RowOutcome:
        if not isinstance(row.value, str):
            raise NotCarried("it compares with something that is not a text")
        test = Leaf(row.key, {operator: row.value})
        if row.reference.is_typed:
            return RowOutcome(test, has_type(row.reference, "string"), implies=True)
        return RowOutcome(test, Leaf(row.key, {"exists": True}), implies=True)

    return make


def _matches(row: OldRow) -> RowOutcome:
    pattern = translate_js_pattern(write_text(row.value), ignores_case=False)
    test: Condition = Leaf(row.key, {"regex": pattern})
    if matches_empty_text(pattern):
        test = either([test, is_missing(row.key)])
    return RowOutcome(test)


def _is_empty(row: OldRow) -> RowOutcome:
    return RowOutcome(either([is_missing(row.key), Leaf(row.key, ["", [], {}])]))


_AS_NUMBER: Final = "n8n compares true, lists and objects as numbers; here they do not match"
_AS_TEXT: Final = "n8n also searches numbers and lists, written as text; here they do not match"
#: Operation -> the row, and the doubt where the value may be other than text.
_ROWS: Final[Mapping[str, tuple[Callable[[OldRow], RowOutcome], str]]] = {
    "equal": (_equals, ""),
    "larger": (_compare("gt"), _AS_NUMBER),
    "largerEqual": (_compare("gte"), _AS_NUMBER),
    "smaller": (_compare("lt"), _AS_NUMBER),
    "smallerEqual": (_compare("lte"), _AS_NUMBER),
    "contains": (_contains, _AS_TEXT),
    "startsWith": (_begins_or_ends("starts_with"), ""),
    "endsWith": (_begins_or_ends("ends_with"), ""),
    "regex": (_matches, _AS_TEXT),
    "isEmpty": (_is_empty, ""),
}


#: The operations that have no value beside the place.
UNARY_OPERATIONS: Final = frozenset(
    {"exists", "notExists", "empty", "notEmpty", "isEmpty", "isNotEmpty", "true", "false"}
)
#: What n8n adds where the conditions do not say it.
DEFAULT_OPTIONS: Final = {"caseSensitive": True, "typeValidation": "strict", "version": 1}
CONTINUES_ON_ERROR: Final = frozenset({"continueRegularOutput", "continueErrorOutput"})
_DATES: Final = "n8n stops with an error at a value that is no date; here each value counts"
_CONVERTED: Final = (
    "n8n converts each value to the type of its condition; here only numbers, true and false are"
    " read from text"
)


def read_conditions(node: N8nNode, log: FindingLog, proofs: list[HookProof]) -> NodeOutputs:
    """Return the conditions by which an item leaves an IF or Filter node. Raises `NotCarried` if
    routes.yaml cannot express them.

    Comparisons with a credential are added to `proofs`.
    """
    conditions = node.parameters.get("conditions")
    if not isinstance(conditions, dict):
        raise NotCarried("it has no conditions that can be read")
    if node.keys.get("alwaysOutputData") is True:
        raise NotCarried("`alwaysOutputData` goes on where no condition holds")
    is_new = "combinator" in conditions or isinstance(conditions.get("conditions"), list)
    version = node.keys.get("typeVersion", 2 if is_new else 1)
    if isinstance(version, int | float) and is_new != (version >= 2):
        raise NotCarried(f"its conditions are not those of version {version} of the node")
    stops = not _continues_on_error(node)
    if is_new:
        return _read_new(conditions, log, proofs, stops=stops)
    if not stops:
        raise NotCarried("the node goes on after an error")
    combine = node.parameters.get("combineOperation", node.parameters.get("combineConditions"))
    return _read_old(conditions, log, proofs, is_any=str(combine).lower() in ("any", "or"))


def _continues_on_error(node: N8nNode) -> bool:
    on_error = node.keys.get("onError")
    if on_error is None:
        return node.keys.get("continueOnFail") is True
    return on_error in CONTINUES_ON_ERROR


def _read_new(
    conditions: Mapping[str, Any], log: FindingLog, proofs: list[HookProof], *, stops: bool
) -> NodeOutputs:
    rows, combinator = conditions.get("conditions"), conditions.get("combinator") or "and"
    if not isinstance(rows, list) or combinator not in ("and", "or"):
        raise NotCarried("its conditions are not a list with `and` or `or`")
    options = conditions.get("options")
    options = DEFAULT_OPTIONS | (options if isinstance(options, dict) else {})
    version = options["version"]
    rules = FilterRules(
        is_strict=options["typeValidation"] == "strict",
        ignores_case=not options["caseSensitive"],
        version=version if isinstance(version, int | float) else 1,
    )
    is_any = combinator == "or"
    under = frozenset({"or"} if is_any and len(rows) > 1 else set[str]())
    outcomes = [
        _read_filter_row(row, rules, log.at("conditions", number), proofs, under)
        for number, row in enumerate(rows)
    ]
    if not rules.is_strict:
        log.at("conditions", "options").doubt(_CONVERTED)
    return combine_rows(outcomes, is_any=is_any, stops=stops)


def _read_filter_row(
    row: Any, rules: FilterRules, log: FindingLog, proofs: list[HookProof], under: frozenset[str]
) -> RowOutcome:
    operator = row.get("operator") if isinstance(row, dict) else None
    if not isinstance(operator, dict):
        raise NotCarried("a condition has no operator")
    kind, operation = str(operator.get("type")), str(operator.get("operation"))
    reference = read_expression(row.get("leftValue"))
    value = _read_value(row.get("rightValue"))
    if operator.get("singleValue") is True:
        value = None
    proof = _find_proof(reference, kind == "string" and operation == "equals", value, log, under)
    if proof is not None:
        proofs.append(proof)
        return RowOutcome(TRUE)
    convert = check_value if rules.is_strict else convert_value
    value = convert(value, str(operator.get("rightType") or kind), rules.version)
    if kind == "dateTime":
        log.doubt(_DATES)
    return _read_row(
        reference,
        operation,
        value,
        log,
        lambda key: read_filter_row(FilterRow(reference, key, kind, operation, value, rules)),
    )


def _read_old(
    conditions: Mapping[str, Any], log: FindingLog, proofs: list[HookProof], *, is_any: bool
) -> NodeOutputs:
    unknown = set(conditions) - set(DEFAULTS)
    rows = [
        (kind, number, row)
        for kind in DEFAULTS
        for number, row in enumerate(_items(conditions.get(kind)))
    ]
    if unknown or not all(isinstance(row, dict) for _, _, row in rows):
        raise NotCarried("its conditions are not lists of boolean, dateTime, number and string")
    under = frozenset({"or"} if is_any and len(rows) > 1 else set[str]())
    outcomes = [
        _read_old_row(kind, row, log.at("conditions", kind, number), proofs, under)
        for kind, number, row in rows
    ]
    return combine_rows(outcomes, is_any=is_any, stops=True)


def _items(listed: JSON) -> list[Any]:
    return listed if isinstance(listed, list) else [] if listed is None else [None]


def _read_old_row(
    kind: str,
    row: Mapping[str, Any],
    log: FindingLog,
    proofs: list[HookProof],
    under: frozenset[str],
) -> RowOutcome:
    default, value = DEFAULTS[kind]
    operation = str(row.get("operation", default))
    reference = read_expression(row.get("value1"))
    value = _read_value(row.get("value2", value))
    proof = _find_proof(reference, kind == "string" and operation == "equal", value, log, under)
    if proof is not None:
        proofs.append(proof)
        return RowOutcome(TRUE)
    return _read_row(
        reference,
        operation,
        value,
        log,
        lambda key: read_old_row(OldRow(reference, key, kind, operation, value), log),
    )


def _read_value(value: JSON) -> JSON:
    if is_expression(value):
        raise NotCarried("it compares with an expression")
    if is_number(value) and isinstance(value, int | float):
        return read_number(value)
    return value


def _find_proof(
    reference: Reference, is_equality: bool, value: JSON, log: FindingLog, under: frozenset[str]
) -> HookProof | None:
    """Return the proof of a comparison with a credential, or None."""
    root, name = reference.steps[0], reference.steps[-1]
    if root == "body" or not is_equality or not isinstance(value, str):
        return None
    source = "header" if root == "headers" else "url"
    return read_token(HookParameter(source, name, {}), value, log, under)


def _read_row(
    reference: Reference,
    operation: str,
    value: JSON,
    log: FindingLog,
    read: Callable[[str], RowOutcome],
) -> RowOutcome:
    """Return the outcome of a row that is no proof; `NotCarried` where it has no counterpart."""
    root, name = reference.steps[0], reference.steps[-1]
    if operation not in UNARY_OPERATIONS and may_hold_secret(name, str(value)):
        raise NotCarried("it seems to compare a credential, and `match` must not have one")
    if root == "headers" and name in MASKED_HEADERS:
        raise NotCarried(f"the header {name} is a credential, which an event does not contain")
    if reference.key is None:
        raise NotCarried(f"`match` cannot name {reference.expression}")
    try:
        outcome = read(reference.key)
    except CompileError as error:
        raise NotCarried(f"the pattern has no counterpart: {error}") from None
    log.carry(f"a clause on {reference.expression}")
    return outcome
