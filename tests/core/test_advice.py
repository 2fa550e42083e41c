"""An advice is a sentence and the commands in it."""

from __future__ import annotations

import shlex

import pytest

from bridge.core.advice import OPERATIONS, Advice, Command, advise, join_advice, name_command
from bridge.services.operations.commands import COMMANDS

REPLAY = name_command("replay", dead_kind="config", through="triage", since="1d")


def test_the_line_of_a_command_follows_from_its_filters() -> None:
    assert REPLAY.line == "flowbridge replay --dead-kind config --through triage --since 1d"
    assert REPLAY.operation == "replay"
    assert REPLAY.filters == {"dead_kind": "config", "through": "triage", "since": "1d"}


def test_a_command_names_records_and_flags() -> None:
    command = name_command("resolve", "dlv_1", as_="queued", force=True)
    assert command.line == "flowbridge resolve dlv_1 --as queued --force"
    assert (command.operation, command.ids) == ("resolve", ("dlv_1",))
    assert command.filters == {"as": "queued", "force": True}


@pytest.mark.parametrize("words", ["check", "deliveries", "db release", "resolve"])
def test_a_command_that_carries_out_no_operation_has_none(words: str) -> None:
    assert name_command(words).operation is None


def test_a_dry_run_carries_out_no_operation() -> None:
    assert name_command("replay", dry_run=True) == Command(
        "flowbridge replay --dry-run", filters={"dry_run": True}
    )


def test_each_operation_of_a_command_exists() -> None:
    assert set(OPERATIONS.values()) <= set(COMMANDS)


def test_a_value_is_quoted_for_a_shell() -> None:
    line = name_command("flows runs", "http/a b", reason="it's; rm").line
    assert shlex.split(line) == ["flowbridge", "flows", "runs", "http/a b", "--reason", "it's; rm"]


def test_the_sentence_has_its_commands_word_for_word() -> None:
    show, lock = name_command("check", live=True), name_command("check", live=True, lock=True)
    advice = advise(show, " shows it; ", advise("then: ", lock), ".")
    assert advice.sentence == (
        "flowbridge check --live shows it; then: flowbridge check --live --lock."
    )
    assert advice.commands == (show, lock)
    assert advice.parts == [show, " shows it; then: ", lock, "."]
    assert Advice(advice.sentence, advice.commands) == advice


def test_several_are_joined() -> None:
    assert join_advice("; ", [REPLAY]) == advise(REPLAY)
    assert join_advice("; ", ["fix it", REPLAY, Advice("wait")]) == advise(
        "fix it; ", REPLAY, "; wait"
    )


def test_an_advice_without_commands_is_one_text() -> None:
    assert Advice("free some space").parts == ["free some space"]
    assert Advice("").parts == []
