"""Arithmetic and money. Pure.

Calculates with decimals, so that `add(0.1, 0.2)` is 0.3. Whole results are integers, as in JSON
from JavaScript.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, DecimalException
from fractions import Fraction

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import Function

Number = int | float

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
MAX_DIGITS = 20  # decimal places of round()

# https://docs.stripe.com/currencies#zero-decimal and #three-decimal; UGX and ISK are sent with two
# decimals there.
ZERO_DECIMALS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
THREE_DECIMALS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])


def decimal(value: Number) -> Decimal:
    """Return `value` as a decimal, with the digits of its JSON text."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("a number that is not finite")
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def number(value: Decimal | Number) -> Number:
    """Return `value` for JSON: a whole number of up to 64 bits as an integer, others as floats."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("a number out of range")
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 308:
            raise ExpressionError("a number out of range")
        if value.adjusted() < -400:
            return 0
    if (
        (not isinstance(value, float) or abs(value) < 2**53)
        and value == int(value)
        and -(2**63) <= value < 2**64
    ):
        return int(value)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ExpressionError("a number out of range")
    return result


def _calculate(operation: Callable[[Decimal, Decimal], Decimal], *values: Number) -> Number:
    total = decimal(values[0])
    try:
        for value in values[1:]:
            total = operation(total, decimal(value))
    except DecimalException:
        raise ExpressionError("a number out of range") from None
    return number(total)


def _add(*values: Number) -> Number:
    return _calculate(_CONTEXT.add, *values)


def _mul(*values: Number) -> Number:
    return _calculate(_CONTEXT.multiply, *values)


def _sub(left: Number, right: Number) -> Number:
    return _calculate(_CONTEXT.subtract, left, right)


def _div(left: Number, right: Number) -> Number:
    if right == 0:
        raise ExpressionError("division by zero")
    return _calculate(_CONTEXT.divide, left, right)


def _mod(left: Number, right: Number) -> Number:
    if right == 0:
        raise ExpressionError("division by zero")
    rest = _remainder(left, right)
    return number(rest.numerator if rest.denominator == 1 else float(rest))


def _remainder(left: Number, right: Number) -> Fraction:
    return Fraction(decimal(left)) % Fraction(decimal(right))


def is_multiple(value: Number, of: Number) -> bool:
    """Return whether a number is a multiple of another, which is not 0: 19.99 is one of 0.01."""
    return math.isfinite(value) and math.isfinite(of) and _remainder(value, of) == 0


def _round(value: Number, digits: Number = 0) -> Number:
    if digits != int(digits) or abs(digits) > MAX_DIGITS:
        raise ExpressionError(f"digits must be a whole number from {-MAX_DIGITS} to {MAX_DIGITS}")
    exact = decimal(value)
    # nothing to round; and quantize() has 40 digits
    if exact.adjusted() > 30 or -exact.adjusted() > 2 * MAX_DIGITS:
        return number(exact) if exact.adjusted() > 0 else 0
    places = max(int(digits), -exact.adjusted() - 1) if exact.adjusted() < 0 else int(digits)
    if exact.adjusted() + places > 38:
        return number(exact)
    return number(exact.quantize(Decimal(1).scaleb(-int(digits)), context=_CONTEXT))


def _ceil(value: Number) -> Number:
    return number(math.ceil(decimal(value)))


def _floor(value: Number) -> Number:
    return number(math.floor(decimal(value)))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in units of its currency (12.34, not 1234 cents); its text is that of money()."""

    amount: Decimal
    currency: str
    decimals: int

    def __str__(self) -> str:
        return f"{self.amount:.{self.decimals}f} {self.currency}"


def _read_money(amount: Number, currency: str) -> Money:
    code = currency.strip().upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ExpressionError("the currency is not a code of three letters")
    if amount != int(amount) or abs(amount) >= 2**63:
        raise ExpressionError("the amount is not a whole number of minor units")
    exponent = 0 if code in ZERO_DECIMALS else 3 if code in THREE_DECIMALS else 2
    return Money(Decimal(int(amount)).scaleb(-exponent), code, exponent)


def _money(amount: Number, currency: str) -> str:
    return str(_read_money(amount, currency))


def _number(value: JSON) -> JSON:
    if isinstance(value, str):
        text = value.strip()
        try:
            if len(text) > 400 or not text.isascii() or "_" in text:
                return None
            exact = Decimal(text)
            return number(exact) if exact.is_finite() else None
        except (DecimalException, ExpressionError):
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _sum(values: list[Number]) -> Number:
    return _add(0, *values)


def _avg(values: list[Number]) -> JSON:
    return _div(_sum(values), len(values)) if values else None


FUNCTIONS = (
    Function(
        "add",
        ("a: number", "b: number", "more*: number"),
        "The sum of all arguments.",
        "add(1.1, 2.2)",
        3.3,
        _add,
    ),
    Function(
        "sub",
        ("a: number", "b: number"),
        "The first number minus the second.",
        "sub(1, 0.9)",
        0.1,
        _sub,
    ),
    Function(
        "mul",
        ("a: number", "b: number", "more*: number"),
        "The product of all arguments.",
        "mul(3, 0.5)",
        1.5,
        _mul,
    ),
    Function(
        "div",
        ("a: number", "b: number"),
        "The first number divided by the second; dividing by 0 is an error.",
        "div(10, 4)",
        2.5,
        _div,
    ),
    Function(
        "mod",
        ("a: number", "b: number"),
        "The remainder of dividing the first number by the second; it has the sign of the second.",
        "mod(10, 4)",
        2,
        _mod,
    ),
    Function(
        "round",
        ("x: number", "digits?: number"),
        "The number rounded to `digits` decimal places (default 0), halves away from zero.",
        "round(2.345, 2)",
        2.35,
        _round,
    ),
    Function(
        "money",
        ("amount: number", "currency: string"),
        "An amount in minor units (cents) as text, with the decimals of the currency. A comparison"
        " with a number is in units of the currency: `money(1234, 'eur') > 12`.",
        "money(1234, 'eur')",
        "12.34 EUR",
        _money,
        call_in_comparison=_read_money,
    ),
    Function(
        "number",
        ("x: any",),
        "The number in a text; null if the text is not a number.",
        "number(' 12.50 ')",
        12.5,
        _number,
    ),
    Function("to_number", ("x: any",), "The same as number().", "to_number('12')", 12, _number),
    Function(
        "abs",
        ("x: number",),
        "The number without its sign.",
        "abs(-3)",
        3,
        lambda x: number(abs(x)),
    ),
    Function("ceil", ("x: number",), "The next whole number up.", "ceil(1.2)", 2, _ceil),
    Function("floor", ("x: number",), "The next whole number down.", "floor(1.8)", 1, _floor),
    Function(
        "sum",
        ("numbers: array[number]",),
        "The sum of an array of numbers.",
        "sum([0.1, 0.2])",
        0.3,
        _sum,
    ),
    Function(
        "avg",
        ("numbers: array[number]",),
        "The mean of an array of numbers; null if it is empty.",
        "avg([1, 2])",
        1.5,
        _avg,
    ),
)
