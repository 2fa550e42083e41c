"""Combine the comparisons of an n8n node into conditions for each of its outputs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.importers.hook_references import Reference
from bridge.importers.rule_clauses import TRUE, Condition, Leaf, both, either, neither


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One comparison as n8n makes it.

    `decides`: whether n8n can compare the value; if not, the workflow stops with an error. `test`:
    whether the comparison holds then. `implies`: the test holds only where n8n can compare.
    `denies`: it fails only there.
    """

    test: Condition
    decides: Condition = TRUE
    implies: bool = False
    denies: bool = False

    def reverse(self) -> RowOutcome:
        """Return the opposite comparison, which stops at the same values."""
        return RowOutcome(neither(self.test), self.decides, self.denies, self.implies)


@dataclass(frozen=True, slots=True)
class NodeOutputs:
    """The conditions by which an item leaves a node by its first and by its second output.

    If neither holds, the workflow stops with an error.
    """

    passes: Condition
    fails: Condition


def combine_rows(rows: Sequence[RowOutcome], *, is_any: bool, stops: bool) -> NodeOutputs:
    """Return the outputs of a node that makes the comparisons in order until one is decisive.

    `stops`: a value that n8n cannot compare stops the workflow; else it leaves by the second
    output.
    """
    holds = (either if is_any else both)([row.test for row in rows])
    if is_any:
        is_sure = all(row.implies and row.decides == rows[0].decides for row in rows)
        passes = both([holds, TRUE if is_sure else _reach(rows, is_any=True)])
        fails = both([neither(holds), *(row.decides for row in rows)])
    else:
        passes = both([holds, *(row.decides for row in rows if not row.implies)])
        is_sure = len(rows) == 1 and rows[0].denies
        fails = both([neither(holds), TRUE if is_sure else _reach(rows, is_any=False)])
    return NodeOutputs(passes, fails if stops else neither(passes))


def _reach(rows: Sequence[RowOutcome], *, is_any: bool) -> Condition:
    """Return the condition that each comparison can be made, or is not reached as an earlier one is
    decisive.
    """
    parts: list[Condition] = []
    for number, row in enumerate(rows):
        earlier = rows[:number]
        if row.decides == TRUE or row.decides in [earlier_row.decides for earlier_row in earlier]:
            continue
        decisive = [
            earlier_row.test if is_any else neither(earlier_row.test) for earlier_row in earlier
        ]
        parts.append(either([*decisive, row.decides]))
    return both(parts)


def has_type(reference: Reference, *types: str) -> Condition:
    """Return the condition that a value has one of these JSON types; a missing value has the type
    null.
    """
    if not reference.is_typed and {"string", "null"} <= set(types):
        return TRUE  # headers and query parameters are text
    path = reference.expression
    return Leaf("when", " || ".join(f"type({path}) == '{type_name}'" for type_name in types))


def is_missing(key: str) -> Condition:
    """Return the condition that there is no value, or null."""
    return Leaf(key, {"exists": False})
