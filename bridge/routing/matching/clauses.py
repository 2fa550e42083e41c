"""Clauses of `match` and `when`: each returns a result and can explain it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from bridge.core.errors import ExpressionError
from bridge.core.locators import dig
from bridge.core.model import JSON
from bridge.routing.expressions.compile import Expression
from bridge.routing.expressions.paths import follow_path, write_path
from bridge.routing.functions.values import is_true

Context = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """The result of one clause: its test (`path`, `operator`, `expected`) and the value `found`.

    `inner` has the results of the clauses inside it. `problem`: why an expression could not be
    evaluated; the clause is then false. `parts`: the compared parts of a condition, as (text,
    value). `near`: paths that exist and are similar to a path without a value. `is_written`: it is
    an `all` of routes.yaml, not the several keys of a mapping. `expression`: that of a `when`.
    """

    path: str
    operator: str
    expected: JSON
    found: JSON
    verdict: bool
    inner: tuple[ClauseResult, ...] = ()
    problem: str | None = None
    parts: tuple[tuple[str, JSON], ...] = ()
    near: tuple[str, ...] = ()
    is_written: bool = False
    expression: Expression | None = field(default=None, repr=False, compare=False)


class Clause(Protocol):
    """A condition on an event."""

    def __call__(self, context: Context) -> bool:
        """Return whether the event matches; ExpressionError if a `when` cannot be evaluated."""

    def explain(self, context: Context) -> ClauseResult:
        """Return the result of each clause; a failing expression is a `problem`, not an error."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of the value at a path."""

    path: str
    operator: str
    expected: JSON
    steps: tuple[str, ...] = field(repr=False)
    test: Callable[[JSON], bool] = field(repr=False, compare=False)

    def __call__(self, context: Context) -> bool:
        return self.test(_find(context, self.steps))

    def explain(self, context: Context) -> ClauseResult:
        actual = _find(context, self.steps)
        meant = follow_path(self.steps, [context]).meant if actual is None else None
        near = () if meant is None else (write_path(meant, dotted=True),)
        return ClauseResult(
            self.path, self.operator, self.expected, actual, self.test(actual), near=near
        )


@dataclass(frozen=True, slots=True)
class When:
    """A condition written as an expression, with JMESPath's truth (0 is true)."""

    expression: Expression

    def __call__(self, context: Context) -> bool:
        return is_true(self.expression(context))

    def explain(self, context: Context) -> ClauseResult:
        try:
            value = self.expression(context)
            parts = tuple(self.expression.parts(context))
        except ExpressionError as error:
            return ClauseResult(
                "when",
                "when",
                self.expression.text,
                None,
                verdict=False,
                problem=str(error),
                expression=self.expression,
            )
        near = tuple(
            write_path(reading.meant)
            for reading in self.expression.read([context])
            if reading.meant is not None
        )
        return ClauseResult(
            "when",
            "when",
            self.expression.text,
            value,
            is_true(value),
            parts=parts,
            near=near,
            expression=self.expression,
        )


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every clause must match. `is_written`: it is an `all`, not the keys of a mapping."""

    clauses: tuple[Clause, ...]
    is_written: bool = False

    def __call__(self, context: Context) -> bool:
        return all(clause(context) for clause in self.clauses)

    def explain(self, context: Context) -> ClauseResult:
        result = _explain("all", self.clauses, context, all)
        return replace(result, is_written=self.is_written)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one clause must match."""

    clauses: tuple[Clause, ...]

    def __call__(self, context: Context) -> bool:
        return any(clause(context) for clause in self.clauses)

    def explain(self, context: Context) -> ClauseResult:
        return _explain("any", self.clauses, context, any)


@dataclass(frozen=True, slots=True)
class Not:
    """The clause must not match."""

    clause: Clause

    def __call__(self, context: Context) -> bool:
        return not self.clause(context)

    def explain(self, context: Context) -> ClauseResult:
        return _explain("not", (self.clause,), context, lambda verdicts: not all(verdicts))


def _explain(
    name: str, clauses: tuple[Clause, ...], context: Context, judge: Callable[[list[bool]], bool]
) -> ClauseResult:
    inner = tuple(clause.explain(context) for clause in clauses)
    return ClauseResult("", name, None, None, judge([result.verdict for result in inner]), inner)


def _find(context: Context, steps: tuple[str, ...]) -> JSON:
    return dig(context.get(steps[0]), steps[1:])
