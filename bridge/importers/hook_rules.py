"""The trigger rules of adnanh/webhook, as conditions of a route. Pure.

webhook evaluates a rule to true or false, or to an error where a parameter is missing: `and` and a
comparison are then false, `or` ignores the error, and `not` of a missing value is true, but makes
an `and` around it false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern
from bridge.core.model import JSON
from bridge.importers.go_patterns import translate_pattern
from bridge.importers.hook_proofs import (
    GETENV_MARK,
    HMAC_RULES,
    HookProof,
    read_hmac,
    read_scalr,
    read_token,
)
from bridge.importers.hook_references import (
    HookParameter,
    NotCarried,
    Reference,
    expected_values,
    find_reference,
    read_parameter,
    text_of,
    write_literal,
)
from bridge.importers.model import FindingLog
from bridge.importers.rule_clauses import (
    FALSE,
    TRUE,
    Condition,
    Leaf,
    both,
    either,
    neither,
)
from bridge.importers.secret_texts import may_hold_secret

RULE_ORDER = ("and", "or", "not", "match")  # the first one that is there counts
MATCH_KEYS = ("type", "regex", "secret", "value", "parameter", "ip-range")
PARAMETER_KEYS = ("source", "name", "headers-to-add-to-signature-payload")
NULL_TEXT = "<nil>"  # a JSON null, as Go writes it


@dataclass(frozen=True, slots=True)
class RuleStates:
    """When a rule is true without an error (`ok`), true (`passes`), and false without an error."""

    ok: Condition
    passes: Condition
    no: Callable[[], Condition]


PROVEN = RuleStates(TRUE, TRUE, lambda: FALSE)
NEVER = RuleStates(FALSE, FALSE, lambda: TRUE)


@dataclass(slots=True)
class HookRules:
    """The rules of one hook, as they are read.

    `proofs`: signature rules, which the source verifies. `is_open`: a rule is not carried, so that
    the route would start more than webhook did.
    """

    unwrapped: str | None
    parsed: frozenset[tuple[str, str]] = frozenset()
    proofs: list[HookProof] = field(default_factory=list)
    is_open: bool = False

    def read(self, rule: JSON, log: FindingLog) -> Condition:
        """Return the condition that triggers the hook."""
        states = self._rule(rule, log, frozenset())
        return TRUE if states is None else states.passes

    def _rule(self, rule: JSON, log: FindingLog, under: frozenset[str]) -> RuleStates | None:
        """Return the states of a rule, or None where it is not carried."""
        if not isinstance(rule, dict):
            return self._leave_out(log, "a rule must be an object")
        keys = {str(key).lower(): (str(key), value) for key, value in rule.items()}
        kind = next((name for name in RULE_ORDER if _is_set(keys.get(name))), None)
        for name, (key, _) in keys.items():
            if name != kind:
                log.at(key).doubt("webhook ignores it here, so it is left out")
        if kind is None:
            log.doubt("webhook never triggers a rule without and, or, not, match")
            return NEVER
        key, value = keys[kind]
        return self._read_as(kind, value, log.at(key), under)

    def _read_as(
        self, kind: str, value: JSON, log: FindingLog, under: frozenset[str]
    ) -> RuleStates | None:
        if kind == "match":
            return self._match(value, log, under)
        if kind == "not":
            states = self._rule(value, log, under | {"not"})
            return states and RuleStates(states.no(), neither(states.passes), lambda: states.ok)
        if not isinstance(value, list):
            return self._leave_out(log, f"`{kind}` must be a list")
        inside = under | {"or"} if kind == "or" and len(value) > 1 else under
        read = [self._rule(rule, log.at(index), inside) for index, rule in enumerate(value)]
        found_all = [rule_states for rule_states in read if rule_states is not None]
        if value and not found_all:
            return None
        if not value:
            log.carry("an empty list: always true for `and`, never for `or`")
        return _join_all(found_all) if kind == "and" else _join_any(found_all)

    # -- one comparison

    def _match(self, value: JSON, log: FindingLog, under: frozenset[str]) -> RuleStates | None:
        if not isinstance(value, dict):
            return self._leave_out(log, "a match rule must be an object")
        keys = {str(key).lower(): entry for key, entry in value.items()}
        for key in value:
            if str(key).lower() not in MATCH_KEYS:
                log.at(key).doubt("webhook knows no such key, so it is left out")
        try:
            return self._compare(keys, log, under)
        except NotCarried as error:
            return self._leave_out(log, str(error))
        except CompileError as error:
            return self._leave_out(log, f"the pattern has no counterpart: {error}")

    def _compare(
        self, keys: dict[str, Any], log: FindingLog, under: frozenset[str]
    ) -> RuleStates | None:
        kind = keys.get("type")
        if not isinstance(kind, str):
            raise NotCarried("its `type` is not a text")
        if kind == "ip-whitelist":
            raise NotCarried(
                "flowbridge does not check addresses; allow these in your proxy or firewall"
            )
        if kind == "scalr-signature":
            return self._prove(read_scalr(keys, log, under))
        parameter = read_parameter(keys.get("parameter"))
        for key in parameter.keys:
            if key not in PARAMETER_KEYS:
                log.at("parameter", key).doubt("a rule does not use it, so it is left out")
        if kind in HMAC_RULES:
            return self._prove(read_hmac(keys, parameter, log, under))
        if kind not in ("value", "regex"):
            raise NotCarried(f"webhook has no rule type {kind[:40]!r}")
        expected = text_of(keys.get("value" if kind == "value" else "regex", ""))
        if expected is None:
            raise NotCarried("the value to compare with is not a text")
        if kind == "value" and (proof := read_token(parameter, expected, log, under)):
            return self._prove(proof)
        self._check_secret(parameter, expected)
        return self._states(kind, parameter, expected, log)

    def _prove(self, proof: HookProof) -> RuleStates:
        if "not" in proof.under:
            raise NotCarried("a request without a valid signature is refused before any route")
        self.proofs.append(proof)
        return PROVEN

    def _check_secret(self, parameter: HookParameter, expected: str) -> None:
        if GETENV_MARK.search(expected) or "{{" in expected:
            raise NotCarried("a Go template is not carried here")
        is_constant = parameter.source in ("string", "request")
        if not is_constant and may_hold_secret(parameter.name, expected):
            raise NotCarried(
                "it seems to compare a credential, and `match` must not have one; if the"
                " sender can, let it sign, or send a token in a header (`provider: token`)"
            )
        if (parameter.source, parameter.name.partition(".")[0]) in self.parsed:
            raise NotCarried(
                f"it looks into JSON inside of {parameter.name.partition('.')[0]}, which flowbridge"
                " does not parse"
            )

    def _states(
        self, kind: str, parameter: HookParameter, expected: str, log: FindingLog
    ) -> RuleStates:
        reference = find_reference(parameter, self.unwrapped)
        if reference.constant is not None:
            is_met = (
                reference.constant == expected if kind == "value" else _fits(expected, reference)
            )
            log.carry("the compared text is constant")
            return PROVEN if is_met else NEVER
        if len(reference.steps) == 1:
            raise NotCarried("the text of the whole payload, query or headers cannot be compared")
        test = _value_test if kind == "value" else _regex_test
        condition = test(reference, expected, log)
        present = _leaf(reference, {"exists": True}, f"{reference.expression} != `null`")
        return RuleStates(condition, condition, lambda: both([present, neither(condition)]))

    def _leave_out(self, log: FindingLog, message: str) -> RuleStates | None:
        self.is_open = True
        log.refuse(message)
        return None


def _is_set(pair: tuple[str, JSON] | None) -> bool:
    return pair is not None and pair[1] is not None


def _join_all(rules: Sequence[RuleStates]) -> RuleStates:
    ok = both([rule.ok for rule in rules])

    def no() -> Condition:
        """Return the condition that one rule is false, and none before it is missing a value or
        false.
        """
        before = [rule.ok for rule in rules]
        return either([both([*before[:at], rule.no()]) for at, rule in enumerate(rules)])

    return RuleStates(ok, ok, no)


def _join_any(rules: Sequence[RuleStates]) -> RuleStates:
    passes = either([rule.passes for rule in rules])
    return RuleStates(passes, passes, lambda: neither(passes))


def _leaf(reference: Reference, test: Any, expression: str) -> Condition:
    return Leaf(reference.key, test) if reference.key is not None else Leaf("when", expression)


def _value_test(reference: Reference, expected: str, log: FindingLog) -> Condition:
    values = expected_values(expected, reference)
    if reference.is_typed and expected == NULL_TEXT:
        log.doubt("webhook compares null as the text <nil>; here null is a missing value")
    else:
        log.carry(f"a clause on {reference.expression}")
    written = " || ".join(f"{reference.expression} == {write_literal(value)}" for value in values)
    return _leaf(reference, values[0] if len(values) == 1 else values, written)


def _fits(pattern: str, reference: Reference) -> bool:
    return Pattern(translate_pattern(pattern)).search(reference.constant or "")


def _regex_test(reference: Reference, expected: str, log: FindingLog) -> Condition:
    if reference.key is None:
        raise NotCarried(f"`match` cannot name {reference.expression}, and `when` has no patterns")
    pattern = translate_pattern(expected)
    parts: list[Condition] = [Leaf(reference.key, {"regex": pattern})]
    if reference.is_typed:
        search = Pattern(pattern).search
        parts += [
            Leaf(reference.key, boolean)
            for boolean in (True, False)
            if search(str(boolean).lower())
        ]
        log.doubt(
            f"a pattern on {reference.expression}: webhook also searches numbers and lists,"
            " written as text"
        )
    else:
        log.carry(f"a pattern on {reference.expression}")
    return either(parts)
