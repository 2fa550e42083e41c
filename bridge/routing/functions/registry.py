"""The functions of the expression language, one row each. Pure.

These are JMESPath's own (https://jmespath.org/specification.html#builtin-functions) and further
ones. None does I/O. For any JSON, each returns a JSON value of bounded size or raises
ExpressionError.
"""

from __future__ import annotations

from bridge.routing.functions import files, numeric, structure, text, times
from bridge.routing.functions.signature import (
    Function,
)

NOW = Function(
    "now",
    (),
    "The time at which the event is planned, in seconds since 1970.",
    "now()",
    1772366400,
    lambda roots: roots.get("now", 0.0),
    needs_roots=True,
)

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        *text.FUNCTIONS,
        *structure.FUNCTIONS,
        *numeric.FUNCTIONS,
        *times.FUNCTIONS,
        *files.FUNCTIONS,
        NOW,
    )
}
