"""A page shows the commands of an advice apart from the text around them."""

from __future__ import annotations

import pytest

from bridge.core.advice import Advice, advise, name_command
from bridge.monitoring.conditions import CONDITIONS
from bridge.web.console.advice import split_advice
from bridge.web.console.condition_links import LINKS

CHECK = name_command("check")
SHOW = name_command("show", "dlv_01a")


@pytest.mark.parametrize(
    ("advice", "parts"),
    [
        (advise(CHECK, ", or look at its log"), ["$flowbridge check", "or look at its log"]),
        (advise(SHOW, " says why"), ["$flowbridge show dlv_01a", "says why"]),
        (
            advise(CHECK, "; fix it, then ", SHOW, "."),
            ["$flowbridge check", "fix it, then", "$flowbridge show dlv_01a"],
        ),
        (advise("once it fits: ", CHECK), ["once it fits:", "$flowbridge check"]),
        (Advice("nothing: flowbridge check"), ["nothing: flowbridge check"]),
        (Advice(""), []),
    ],
)
def test_commands_stand_apart(advice: Advice, parts: list[str]) -> None:
    found = [f"{'$' * part.is_command}{part.text}" for part in split_advice(advice)]
    assert found == parts


def test_every_linked_condition_exists() -> None:
    assert set(LINKS) <= set(CONDITIONS)
