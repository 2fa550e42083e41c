"""Evaluates trials in the process of a test, which starts faster than one of their own."""

from __future__ import annotations

import orjson
import pytest

from bridge.services.trials import trial
from bridge.services.trials.evaluation import evaluate_trial


def evaluate_here(patch: pytest.MonkeyPatch) -> None:
    """Evaluate trials in this process until the patch ends."""
    patch.setattr(
        trial,
        "evaluate_apart",
        lambda configs, messages, _: orjson.loads(evaluate_trial(configs, messages)),
    )
