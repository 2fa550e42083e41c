"""The kinds of statuses: each word that a record can have, and the most urgent of several."""

from __future__ import annotations

from bridge.core.model import RunState, Status
from bridge.core.operations import OperationState, StepOutcome
from bridge.core.status import STATUS_KINDS, OutcomeKind, find_kind


def test_each_status_has_one_kind() -> None:
    words = [word for kind in STATUS_KINDS.values() for word in kind]
    assert len(words) == len(set(words))
    for states in (Status, RunState, OutcomeKind, OperationState, StepOutcome):
        assert {state.value for state in states} <= set(words), states


def test_the_most_urgent_of_several_words_counts() -> None:
    assert find_kind("delivered, failed") == "bad"
    assert find_kind("queued · unknown") == "warn"
    assert find_kind("delivered → done") == "ok"
    assert find_kind("bad signature (401)") == "bad"


def test_what_has_no_word_has_no_kind() -> None:
    assert find_kind("") is None
    assert find_kind("Dead_letters 4010") is None
