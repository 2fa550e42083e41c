"""Evaluates trials and checks in the process of a test, which starts faster than one of their own."""

from __future__ import annotations

import orjson
import pytest

from bridge.services.trials import text_check, trial
from bridge.services.trials.evaluation import evaluate


def evaluate_here(patch: pytest.MonkeyPatch) -> None:
    """Evaluate trials and checks in this process until the patch ends."""
    for module in (trial, text_check):
        patch.setattr(
            module,
            "evaluate_apart",
            lambda first, messages, _: orjson.loads(evaluate(first, messages)),
        )
