"""`/causes`: the causes of dead deliveries, and what is done to all of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from admin_client import lift_rates
from console_operator import ConsoleOperator

from bridge.core.model import DeadKind
from bridge.core.scopes import Scope
from bridge.store.db.database import Database


@pytest.fixture
def operator(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ConsoleOperator:
    lift_rates(monkeypatch)
    return ConsoleOperator(database, tmp_path)


def test_each_cause_has_its_count_advice_routes_and_examples(operator: ConsoleOperator) -> None:
    made = operator.add_dead(4, "HTTP 401: no such key")
    operator.add_dead(1, "HTTP 401: no such key", route="paid")
    operator.add_dead(2, "input `t`: the value 's3cret' is wrong", dead_kind=DeadKind.OURS)
    html = operator.console.html("/causes")
    assert html.count("<article") == 2
    first, second = html.split("<article")[1:]
    assert '<p class="count">5</p>' in first and ">HTTP 401</h2>" in first
    assert "then retry." in first
    assert first.count('href="/console/deliveries/dlv_') == 3
    assert "Retry all 5" in first and "4 deliveries" in first and "1 delivery<" in first
    assert 'value="retry"' not in second and 'value="replay"' in second
    assert "s3cret" in second
    operator.console.log_in((Scope.READ,))
    html = operator.console.html("/causes")
    assert "s3cret" not in html and "/console/causes" in html and "<button name=" not in html
    assert made[3].id in html


def test_a_cause_names_what_the_platform_said(operator: ConsoleOperator) -> None:
    operator.add_dead(1, "HTTP 401: invalid api key")
    reason = '<p class="reason">The newest: HTTP 401: invalid api key</p>'
    assert reason in operator.console.html("/causes")
    operator.console.log_in((Scope.READ,))
    assert "invalid api key" not in operator.console.html("/causes")


def test_all_of_a_cause_is_retried(operator: ConsoleOperator) -> None:
    wanted = operator.add_dead(2, "HTTP 401: no") + operator.add_dead(1, "HTTP 401", route="paid")
    operator.add_dead(1, "HTTP 500: an error")
    html = operator.console.html("/causes?since=2000-01-01")
    form = operator.form_of(html, "Retry all 3")
    page = operator.propose("/causes", command="retry", **form)
    assert "Retry 3 deliveries?" in operator.console.html(page)
    assert 'name="next" value="/console/causes?since=2000-01-01"' in operator.console.html(page)
    operator.carry_out(page)
    assert {operator.status_of(one) for one in wanted} == {"queued"}
    assert "HTTP 401" not in operator.console.html("/causes")


def test_a_replay_of_a_cause_goes_through_its_route(operator: ConsoleOperator) -> None:
    operator.add_dead(2, "payload_schema /title: is too long", dead_kind=DeadKind.OURS)
    form = operator.form_of(operator.console.html("/causes"), 'value="replay"')
    assert form["route"] == ["triage"]
    page = operator.propose("/causes", command="replay", **form)
    assert operator.operations()[0].options["through"] == "triage"
    operator.carry_out(page)
    html = operator.console.html("/causes")
    assert "Nothing died" in html
    del form["route"]
    assert operator.console.post("/causes", {"command": "replay", **form}).status_code == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": "no_such"}, 409),
        ({"kind": "config"}, 409),
        ({"route": "nope"}, 409),
        ({"command": "cancel"}, 400),
        ({"command": "replay", "route": ""}, 400),
        ({"filter.since": "x"}, 400),
        ({"filter.body": "x"}, 400),
    ],
)
def test_wrong_forms_are_refused(
    operator: ConsoleOperator, change: dict[str, str], status: int
) -> None:
    operator.add_dead(1)
    form = operator.form_of(operator.console.html("/causes"), 'value="retry"')
    answer = operator.console.post("/causes", {"command": "retry", **form, **change})
    assert answer.status_code == status, answer.text[:2000]
    assert operator.operations() == []


def test_filters_and_the_empty_page(operator: ConsoleOperator) -> None:
    html = operator.console.html("/causes")
    assert "Nothing died" in html and "flowbridge deliveries --run failed" in html
    operator.add_dead(1)
    assert "No dead delivery matches" in operator.console.html("/causes?route=paid")
    answer = operator.console.get("/causes?dead_kind=nope&x=1")
    assert answer.status_code == 400 and "there is no such parameter" in answer.text
