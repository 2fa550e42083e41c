"""How tests/mutation/ changes code."""

from __future__ import annotations

import importlib

import pytest
from folders import ROOT

pytest.importorskip("cosmic_ray", reason="the extra `mutation` is not installed")


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("SwapIn", "x = a in b\n", "x = a not in b\n"),
        ("SwapIn", "x = a not in b\n", "x = a in b\n"),
        ("NegateFilter", "x = [a for a in b if a > 1]\n", "x = [a for a in b if not (a > 1)]\n"),
        ("NegateCondition", "if a or b:\n    c\n", "if not (a or b):\n    c\n"),
        ("NegateCondition", "x = a if b > 1 else c\n", "x = a if not (b > 1) else c\n"),
        ("RemoveCall", "a.call(1)\n", "pass\n"),
        *(
            (
                "ExceptionReplacer",
                f"try:\n    a\nexcept {error}:\n    b\n",
                f"try:\n    a\nexcept {other}:\n    b\n",
            )
            for error, other in (
                ("OSError", "CosmicRayTestingException"),
                ("ssl.SSLError as e", "CosmicRayTestingException as e"),
                ("(ssl.SSLError, OSError)", "(CosmicRayTestingException, OSError)"),
                ("(*MORE, OSError)", "(CosmicRayTestingException, OSError)"),
            )
        ),
    ],
)
def test_an_operator_changes_what_its_name_says(
    operator: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "mutation"))
    mutating = importlib.import_module("cosmic_ray.mutating")
    operators = importlib.import_module("operators").OPERATORS
    assert mutating.mutate_code(before, operators[operator](), 0) == after
