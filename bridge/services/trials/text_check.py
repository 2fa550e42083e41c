"""The check of a routes.yaml that is given as text, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.model import JSON
from bridge.services.trials.messages import ConfigCheck, GivenText
from bridge.services.trials.runner import evaluate_apart


def check_text(text: str, files: Mapping[str, str], seconds: float) -> dict[str, JSON]:
    """Return the report on a routes.yaml and the files that it names, as `check --json`.

    `seconds`: the time limit. Raises `TrialFailed`, and `TrialTooLarge` where a limit was reached.
    """
    return evaluate_apart(ConfigCheck(GivenText(text, files)), [], seconds)
