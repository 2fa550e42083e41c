"""Commands are found in every advice that conditions and deliveries give."""

from __future__ import annotations

import pytest

from bridge.cli.command_list import COMMANDS as CLI_COMMANDS
from bridge.monitoring.conditions import CONDITIONS
from bridge.web.console.advice import COMMANDS, GROUPS, split_advice
from bridge.web.console.condition_links import LINKS


@pytest.mark.parametrize(
    ("advice", "parts"),
    [
        ("flowbridge serve, or look at its log", ["$flowbridge serve", "or look at its log"]),
        ("flowbridge show dlv_01a says why", ["$flowbridge show dlv_01a", "says why"]),
        (
            "flowbridge deliveries --status dead --since 1d; fix routes.yaml, then flowbridge"
            " replay --dead-kind config --since 1d",
            [
                "$flowbridge deliveries --status dead --since 1d",
                "fix routes.yaml, then",
                "$flowbridge replay --dead-kind config --since 1d",
            ],
        ),
        ("flowbridge check --live shows it", ["$flowbridge check --live", "shows it"]),
        ("flowbridge db release --dry-run.", ["$flowbridge db release --dry-run"]),
        ("nothing: flowbridge settles it", ["nothing: flowbridge settles it"]),
        ("flowbridge webs it", ["flowbridge webs it"]),
        ("", []),
    ],
)
def test_commands_stand_apart(advice: str, parts: list[str]) -> None:
    found = [f"{'$' * one.is_command}{one.text}" for one in split_advice(advice)]
    assert found == parts


def test_the_commands_exist() -> None:
    assert {*COMMANDS, *GROUPS} <= set(CLI_COMMANDS)


def test_every_linked_condition_exists() -> None:
    assert set(LINKS) <= set(CONDITIONS)
