"""Compile `match` and `when` into clauses, and match event types. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern
from bridge.core.model import JSON
from bridge.core.typos import suggest
from bridge.routing.expressions.compile import compile_expression
from bridge.routing.expressions.roots import ROOTS
from bridge.routing.functions.signature import type_of
from bridge.routing.matching.clauses import (
    AllOf,
    AnyOf,
    Clause,
    Comparison,
    Not,
    When,
)
from bridge.routing.matching.operators import OPERATORS

Path = tuple[str | int, ...]
Problems = list[tuple[Path, str]]

MAX_NESTING = 20


CLAUSE_KEYS = ("any", "all", "not", "when")


def compile_match(document: JSON) -> Clause:
    """Compile `match` into a clause, or raise CompileError with all problems and their paths."""
    problems: Problems = []
    clause = _mapping(document, (), problems, 0)
    if problems:
        raise CompileError(problems)
    return clause


def compile_when(text: str) -> Clause:
    """Compile a condition, or raise CompileError."""
    return When(compile_expression(text))


def _mapping(document: JSON, path: Path, problems: Problems, depth: int) -> Clause:
    if not isinstance(document, Mapping) or not document:
        problems.append(
            (path, f"needs a mapping of paths to expected values, found {_found(document)}")
        )
        return AllOf(())
    if depth > MAX_NESTING:
        problems.append((path, f"any, all and not nest more than {MAX_NESTING} deep"))
        return AllOf(())
    clauses = [_entry(key, value, (*path, key), problems, depth) for key, value in document.items()]
    return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def _entry(key: str, value: JSON, path: Path, problems: Problems, depth: int) -> Clause:
    if key in ("any", "all"):
        return _group(key, value, path, problems, depth)
    if key == "not":
        return Not(_any_or_mapping(value, path, problems, depth))
    if key == "when":
        return _when(value, path, problems)
    try:
        steps = path_steps(key)
    except CompileError as error:
        problems.append((path, str(error)))
        return AllOf(())
    if isinstance(value, Mapping):
        tests = [
            _leaf(key, steps, name, expected, (*path, name), problems)
            for name, expected in value.items()
        ]
        if not tests:
            problems.append(
                (
                    path,
                    (
                        f"needs a value, a list or an operator ({', '.join(OPERATORS)}), found an"
                        " empty mapping"
                    ),
                )
            )
        return tests[0] if len(tests) == 1 else AllOf(tuple(tests))
    return _leaf(key, steps, "in" if isinstance(value, list) else "eq", value, path, problems)


def _group(key: str, value: JSON, path: Path, problems: Problems, depth: int) -> Clause:
    # any: {a: 1, b: 2} is a list of two clauses, all: {…} the mapping itself
    if isinstance(value, Mapping):
        clauses = [
            _mapping({clause_key: value[clause_key]}, path, problems, depth + 1)
            for clause_key in value
        ]
    elif isinstance(value, list):
        clauses = [
            _mapping(element, (*path, index), problems, depth + 1)
            for index, element in enumerate(value)
        ]
    else:
        clauses = []
    if not clauses:
        problems.append((path, f"`{key}` needs a list of mappings, found {_found(value)}"))
    return AnyOf(tuple(clauses)) if key == "any" else AllOf(tuple(clauses), is_written=True)


def _any_or_mapping(value: JSON, path: Path, problems: Problems, depth: int) -> Clause:
    """Compile the clause of `not`; a list is true if none of its clauses matches."""
    return (
        _group("any", value, path, problems, depth)
        if isinstance(value, list)
        else _mapping(value, path, problems, depth + 1)
    )


def _when(value: JSON, path: Path, problems: Problems) -> Clause:
    if not isinstance(value, str):
        problems.append((path, f"`when` needs an expression, found {_found(value)}"))
        return AllOf(())
    try:
        return compile_when(bare_expression(value))
    except CompileError as error:
        problems.append((path, str(error)))
        return AllOf(())


def bare_expression(text: str) -> str:
    """Return the expression without its `${…}`: a condition may be written with or without."""
    stripped = text.strip()
    return (
        stripped[2:-1]
        if stripped.startswith("${") and stripped.endswith("}") and stripped.count("${") == 1
        else text
    )


def path_steps(key: str) -> tuple[str, ...]:
    """Return the steps of a dotted path of `match`, or raise CompileError."""
    steps = tuple(key.split("."))
    if "" in steps or not re.fullmatch(
        r"[^\s\[\](){}|&<>=!'\"`*@,]+(?: [^\s\[\](){}|&<>=!'\"`*@,]+)*", key
    ):
        raise CompileError(
            f"`{key}` is not a dotted path (like body.items.0.name); an expression belongs in when:"
        )
    if steps[0] not in ROOTS:
        hint = suggest(steps[0], (*ROOTS, *CLAUSE_KEYS))
        raise CompileError(
            f"`{steps[0]}` is not a root; {hint}allowed: {', '.join(ROOTS)}, and"
            f" {', '.join(CLAUSE_KEYS)}"
        )
    if steps == ("event",):
        raise CompileError(
            "`event` (types of events) belongs at the top of match; elsewhere write event.type"
        )
    return (
        ("headers", ".".join(steps[1:]).lower())
        if steps[0] == "headers" and len(steps) > 1
        else steps
    )


def _leaf(
    key: str, steps: tuple[str, ...], name: str, expected: JSON, path: Path, problems: Problems
) -> Clause:
    row = OPERATORS.get(name)
    if row is None:
        hint = suggest(name, OPERATORS)
        problems.append(
            (
                path,
                (
                    f"no operator `{name}`; {hint}allowed: {', '.join(OPERATORS)} (a deeper value"
                    f" is {key}.{name})"
                ),
            )
        )
    elif type_of(expected) not in row.types:
        problems.append(
            (path, f"`{name}` needs {' or '.join(row.types)}, found {_found(expected)}")
        )
    elif name in ("in", "not_in") and not expected:
        problems.append((path, "the list is empty; give at least one value"))
    else:
        try:
            return Comparison(key, name, expected, steps, row.test(expected))
        except CompileError as error:
            problems.append((path, str(error)))
    return AllOf(())


def _found(value: JSON) -> str:
    return "nothing" if value is None else "an empty mapping" if value == {} else type_of(value)


def match_type(patterns: Sequence[str], event_type: str | None) -> bool:
    """Return whether `event_type` matches one of `patterns`, or there are none.

    A `*` matches any text.
    """
    if not patterns:
        return True
    return any(
        pattern == "*" or (event_type is not None and _fits(pattern, event_type))
        for pattern in patterns
    )


def _fits(pattern: str, text: str) -> bool:
    return pattern == text or ("*" in pattern and _glob(pattern).search(text))


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> Pattern:
    return Pattern(r"\A" + "(?s:.*)".join(map(re.escape, pattern.split("*"))) + r"\Z")
