"""Commands are found in every advice that conditions and deliveries give."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from bridge.cli.command_list import COMMANDS as CLI_COMMANDS
from bridge.cli.main import group
from bridge.monitoring.conditions import CONDITIONS
from bridge.web.console.advice import COMMANDS, FLAGS, GROUPS, split_advice
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
        (
            "once the routes fit: flowbridge check --live --lock",
            ["once the routes fit:", "$flowbridge check --live --lock"],
        ),
        (
            "correct it; then flowbridge rejects readmit --source github",
            ["correct it; then", "$flowbridge rejects readmit --source github"],
        ),
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
    assert {name.partition(" ")[0] for name in (*COMMANDS, *GROUPS)} <= set(CLI_COMMANDS)


def test_every_second_word_is_known() -> None:
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            assert {f"{name} {second}" for second in command.commands} <= set(COMMANDS)


def test_the_flags_are_those_of_the_commands() -> None:
    options = [*_options()]
    with_value = {name for name, is_flag in options if not is_flag}
    flags = {name for name, is_flag in options if is_flag} - with_value
    assert {f"--{flag}" for flag in FLAGS} == flags | {"--help"}


def _options() -> Iterator[tuple[str, bool]]:
    """Yield each option of the commands that advice may name, and whether it takes no value."""
    context = click.Context(group)
    commands = [group.get_command(context, name.partition(" ")[0]) for name in (*COMMANDS, *GROUPS)]
    while commands:
        command = commands.pop()
        assert command is not None
        if isinstance(command, click.Group):
            commands += [command.get_command(context, name) for name in command.commands]
        for option in command.params:
            if isinstance(option, click.Option):
                for name in (*option.opts, *option.secondary_opts):
                    if name.startswith("--"):
                        yield name, option.is_flag


def test_every_linked_condition_exists() -> None:
    assert set(LINKS) <= set(CONDITIONS)
