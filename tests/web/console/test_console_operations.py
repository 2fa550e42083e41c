"""Operations in the console: count, ask, agree, carry out, stop and resume, and the list."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from admin_client import lift_rates
from console_client import OWN_PAGE
from console_operator import ROUTES, ConsoleOperator
from records import NOW, make_delivery, make_event, put

from bridge.core.model import OWN_SOURCE_NAME, Status
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import control
from bridge.store.queries import event_lookup
from bridge.store.queue import hold
from bridge.store.tables import schema


@pytest.fixture
def operator(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ConsoleOperator:
    lift_rates(monkeypatch)
    return ConsoleOperator(database, tmp_path)


# -- the page that asks


def test_nothing_is_done_before_a_person_agrees_to_the_count(operator: ConsoleOperator) -> None:
    made = operator.add_dead(3)
    put(operator.database, made[0].id, run_id="r", delivered_at=NOW)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    operator.add_dead(1)  # dies between the count and the agreement
    html = operator.console.html(page)
    assert "<h1>Retry 3 deliveries?</h1>" in html
    assert "<strong>1</strong> of them has started a flow already" in html
    assert html.count("HTTP 401: no") == 3  # the examples
    assert '<td>triage</td><td class="number">3</td>' in html
    assert operator.runner.run_once() == 0
    assert {operator.status_of(one) for one in made} == {"dead"}
    html = operator.carry_out(page)
    assert "<strong>3 of 3</strong>" in html and html.count("dead → queued") == 3
    assert {operator.status_of(one) for one in made} == {"queued"}


@pytest.mark.parametrize(
    ("command", "status", "title", "became"),
    [
        ("retry", "dead", "Retry 1 delivery", "queued"),
        ("cancel", "queued", "Cancel 1 delivery", "cancelled"),
        ("resolve:delivered", "unknown", "Record as started: 1 delivery", "delivered"),
        ("resolve:queued", "unknown", "Send again: 1 delivery", "queued"),
        ("resolve:dead", "unknown", "Give up 1 delivery", "dead"),
    ],
)
def test_each_command_on_a_ticked_delivery(
    operator: ConsoleOperator, command: str, status: str, title: str, became: str
) -> None:
    (one,) = operator.add_dead(1)
    put(operator.database, one.id, status=status, dead_kind=None, finished_at=None)
    page = operator.propose(command=command, id=[one.id], which="ticked")
    assert f"<h1>{title}?</h1>" in operator.console.html(page)
    operator.carry_out(page)
    assert operator.status_of(one) == became
    assert operator.operations()[0].actor == "someone@here@console"


def test_a_replay_of_events_makes_deliveries_with_links(operator: ConsoleOperator) -> None:
    (one,) = operator.add_dead(1)
    page = operator.propose(command="replay", id=[one.event_id])
    assert "Planned as" in operator.console.html(page)
    html = operator.carry_out(page)
    made = operator.operations()[0]
    assert (made.command, made.done) == ("replay", 1)
    assert html.count('<a href="/console/deliveries/dlv_') == 1


def test_a_replay_of_ticked_deliveries_goes_through_their_routes_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lift_rates(monkeypatch)
    more = "  - {name: more, on: github issues, inputs: {title: x}, flow: local/echo}\n"
    operator = ConsoleOperator(database, tmp_path, ROUTES + more)
    event = make_event(config_hash=operator.config.hash)
    made = [make_delivery(event, route, status=Status.SHADOW) for route in ("triage", "more")]
    events.add(operator.database, event, made, lambda *_: [])
    page = operator.propose(command="replay", id=[made[1].id])
    html = operator.console.html(page)
    assert "<h1>Replay 1 delivery?</h1>" in html
    assert "through the route of the delivery alone" in html
    assert "<td>more</td>" in html and "<td>triage</td>" not in html
    assert "1 of 1" in operator.carry_out(page)
    found = event_lookup.show(operator.database, event.id).deliveries
    assert [one.route for one in found] == ["triage", "more", "more"]
    page = operator.propose(command="replay", id=[one.id for one in made])
    assert "<h1>Replay 2 deliveries?</h1>" in operator.console.html(page)
    operator.carry_out(page, typed="2")
    found = event_lookup.show(operator.database, event.id).deliveries
    assert sorted(one.route for one in found[3:]) == ["more", "triage"]


def test_more_than_100_want_the_number_typed(
    operator: ConsoleOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.web.console.views import operations

    monkeypatch.setattr(operations, "MAX_UNTYPED_ITEMS", 2)
    operator.add_dead(3)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    assert "Type 3 to agree" in operator.console.html(page)
    for typed in ("", "2", "x"):
        answer = operator.agree(page, typed=typed)
        assert answer.status_code == 400
        assert "nothing was done yet" in answer.text
    assert operator.operations()[0].agreed_at is None
    assert "3 of 3" in operator.carry_out(page, typed=" 3 ")


def test_a_replay_of_what_went_already_wants_the_number_typed(operator: ConsoleOperator) -> None:
    (one,) = operator.add_dead(1)
    put(operator.database, one.id, run_id="r", delivered_at=NOW, status="delivered")
    page = operator.propose(command="replay", id=[one.event_id])
    assert "started a flow already: it starts again" in operator.console.html(page)
    assert operator.agree(page).status_code == 400
    assert operator.agree(page, typed="1").status_code == 303


def test_the_rate_is_part_of_the_agreement(operator: ConsoleOperator) -> None:
    operator.add_dead(2)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    for wrong in ("fast", "0/s", "1" * 50):
        answer = operator.agree(page, rate=wrong)
        assert answer.status_code == 400 and 'id="rate-error"' in answer.text, wrong
    assert operator.agree(page, rate="1000/s").status_code == 303
    (one,) = operator.operations()
    assert one.options == {"rate": "1000/s"}


def test_what_is_left_out_is_named(operator: ConsoleOperator) -> None:
    (one,) = operator.add_dead(1)
    page = operator.propose(command="retry", id=[one.id, "nothing-like-it"])
    html = operator.console.html(page)
    assert "<code>nothing-like-it</code>" in html and "Left out" in html
    page = operator.propose(command="retry", id=["nothing-like-it"])
    html = operator.console.html(page)
    assert "<h1>Nothing to replay</h1>" not in html and "<h1>Nothing to retry</h1>" in html
    assert (
        "None of the records that you chose can be processed now" in html and "/agree" not in html
    )


def test_only_the_session_that_proposed_may_agree(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    operator.console.log_in()
    assert "only that one can agree to it" in operator.console.html(page)
    answer = operator.agree(page)
    assert answer.status_code == 409
    assert "<h1>The operation does not allow this now</h1>" in answer.text
    operator.console.log_in((Scope.READ,))
    assert operator.agree(page).status_code == 403


def test_to_do_nothing_ends_the_proposal_for_every_tab(operator: ConsoleOperator) -> None:
    (one,) = operator.add_dead(1)
    page = operator.propose(command="retry", id=[one.id], next="/console/causes")
    path = urlsplit(page).path
    assert f'formaction="/console{path}/stop" formnovalidate>Do nothing' in operator.console.html(
        page
    )
    first = operator.console
    first.log_in()  # another session may not
    assert first.post(f"{path}/stop", {"next": "/console/causes"}).status_code == 409
    mine = operator.propose(command="retry", id=[one.id], next="/console/causes")
    path = urlsplit(mine).path
    ended = first.post(f"{path}/stop", {"next": "/console/causes"})
    assert (ended.status_code, ended.headers["Location"]) == (303, "/console/causes")
    assert operator.agree(mine).status_code == 409
    assert first.post(f"{path}/stop", {}).status_code == 409
    assert operator.status_of(one) == "dead"
    assert "it can no longer be agreed to. Nothing was done." in first.html(mine)


def test_an_expired_proposal_cannot_be_agreed_to(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    with operator.database.engine.begin() as connection:
        connection.execute(schema.act.update().values(proposed_until=time.time() - 1))
    html = operator.console.html(page)
    assert "Retry 1 delivery: not agreed to" in html and "Nothing was done" in html
    assert operator.agree(page).status_code == 409


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"command": "retry", "which": "all"}, "select by a filter"),
        ({"command": "explode", "id": "x"}, "is not one of"),
        ({"command": "retry", "which": "all", "filter.stauts": "dead"}, "no such key"),
        ({"command": "retry", "which": "all", "filter.status": "daed"}, "not one of"),
        ({"command": "retry", "which": "all", "filter.route": "nope"}, "no route"),
        ({"command": "retry", "id": "x", "how.to": "dead"}, "no such option"),
        ({"command": "resolve", "id": "x"}, "it is missing: the outcome"),
        ({"command": "replay", "id": "x", "how.through": "nope"}, "no route"),
        ({"command": "readmit", "which": "all", "filter.status": "dead"}, "no such filter"),
        ({"command": "retry", "id": "x\0y"}, "null character"),
    ],
)
def test_wrong_forms_are_refused_in_the_frame(
    operator: ConsoleOperator, form: dict[str, str], text: str
) -> None:
    answer = operator.console.post("/operations", form)
    assert answer.status_code == 400
    assert text in answer.text and 'class="side"' in answer.text
    assert operator.operations() == []


def test_a_form_without_a_ticked_row_leads_back_to_its_list(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = "/console/deliveries?status=dead"
    form = {"command": "retry", "which": "ticked", "next": page}
    answer = operator.console.post("/operations", form)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}#nothing-ticked")
    html = operator.console.html("/deliveries?status=dead")
    sentence = "Tick the rows to act on, or choose all that match the filters."
    assert f'id="nothing-ticked" tabindex="-1">{sentence}' in html
    assert operator.operations() == []


def test_a_refused_form_leads_back_to_its_page(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    operator.agree(page)
    path = page.partition("?")[0]
    for sender, form_path, status in (
        ("/console/deliveries?status=dead&route=triage", "/operations", 400),
        (f"/console{path}", f"{path}/agree", 409),
    ):
        headers = OWN_PAGE | {"Referer": f"http://localhost{sender}"}
        answer = operator.console.post(form_path, {"id": "x"}, headers=headers)
        assert answer.status_code == status
        assert f'href="{sender.replace("&", "&amp;")}">Go back</a>' in answer.text
    elsewhere = OWN_PAGE | {"Referer": "http://other.example/console/events"}
    answer = operator.console.post("/operations", {"id": "x"}, headers=elsewhere)
    assert answer.status_code == 400
    assert "Go back" not in answer.text


def test_a_form_of_an_ended_session_leads_to_the_login(operator: ConsoleOperator) -> None:
    proof = {"csrf": operator.console.csrf(), "command": "retry"}
    operator.console.post("/logout")
    headers = OWN_PAGE | {"Referer": "http://localhost/console/deliveries?status=dead"}
    answer = operator.console.client.post("/console/operations", data=proof, headers=headers)
    assert answer.status_code == 403
    assert 'href="/console/login?next=%2Fconsole%2Fdeliveries%3Fstatus%3Ddead">' in answer.text
    answer = operator.console.client.post("/console/operations", data=proof, headers=OWN_PAGE)
    assert 'href="/console/login">Log in</a>' in answer.text


def test_a_form_cannot_send_a_person_to_another_site(operator: ConsoleOperator) -> None:
    (one,) = operator.add_dead(1)
    for wrong in ("https://evil.example/", "//evil.example", "/console//evil.example"):
        page = operator.propose(command="retry", id=[one.id], next=wrong)
        assert "evil" not in page and "evil" not in operator.console.html(page)
    page = operator.propose(command="retry", id=[one.id], next="/console/deliveries?status=dead")
    withdrawn = operator.console.post(
        f"{urlsplit(page).path}/stop", {"next": "/console/deliveries?status=dead"}
    )
    assert withdrawn.headers["Location"] == "/console/deliveries?status=dead"


# -- without contents


def test_without_bodies_no_reason_and_no_content_filter_is_shown(
    operator: ConsoleOperator,
) -> None:
    operator.add_dead(1, reason="input `t`: 's3cret' is too long")
    page = operator.propose(
        command="retry", which="all", filter__status="dead", filter__reason="s3cret"
    )
    operator.console.log_in((Scope.READ, Scope.ACT))
    for path in (page, "/operations"):
        html = operator.console.html(path)
        assert "s3cret" not in html and "hidden" in html, path
    answer = operator.console.post(
        "/operations", {"command": "retry", "which": "all", "filter.reason": "s3cret"}
    )
    assert answer.status_code == 403


# -- progress


def test_an_operation_is_stopped_and_resumed(operator: ConsoleOperator) -> None:
    operator.add_dead(60)  # a batch has 50
    page = operator.propose(command="retry", which="all", filter__status="dead")
    assert operator.agree(page).status_code == 303
    path = page.partition("?")[0]
    assert "A worker begins it" in operator.console.html(path)
    operator.runner.run_once()
    html = operator.console.html(path)
    assert ">50 of 60<" in html and f'action="/console{path}/stop"' in html
    assert operator.console.post(f"{path}/stop").status_code == 303
    operator.runner.run_once()
    html = operator.console.html(path)
    assert "It is stopped: 10 left" in html and f'action="/console{path}/resume"' in html
    assert operator.console.html(f"{path}?outcome=open").count('<tr role="row">\n') == 10
    assert operator.console.post(f"{path}/resume").status_code == 303
    operator.runner.run_once()
    html = operator.console.html(path)
    assert ">60 of 60<" in html and "/stop" not in html
    assert operator.console.post(f"{path}/stop").status_code == 409
    assert "by someone@here@console" in html


def test_refused_items_have_their_reason_and_a_tab(operator: ConsoleOperator) -> None:
    made = operator.add_dead(3)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    put(operator.database, made[1].id, status="queued", dead_kind=None)
    html = operator.carry_out(page)
    assert "1 refused" in html and "flowbridge sends it without a retry" in html
    path = page.partition("?")[0]
    html = operator.console.html(f"{path}?outcome=refused")
    assert made[1].id in html and made[0].id not in html
    answer = operator.console.get(f"{path}?outcome=nope")
    assert answer.status_code == 400 and "is not one of" in answer.text


def test_a_hold_is_named(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    operator.database.write(lambda connection: hold.begin(connection, "moving", NOW))
    assert "Starts are on hold" in operator.console.html(page)
    operator.agree(page)
    html = operator.console.html(page.partition("?")[0])
    assert "flowbridge db release" in html


def test_the_list_shows_who_did_what(operator: ConsoleOperator) -> None:
    html = operator.console.html("/operations")
    assert "No operations" in html and "flowbridge retry --status dead" in html
    made = operator.add_dead(2)
    operator.carry_out(operator.propose(command="retry", id=[one.id for one in made]))
    operator.propose(command="replay", which="all", filter__since="1h", filter__route="triage")
    html = operator.console.html("/operations")
    assert "Retry 2 deliveries" in html and "2 of 2" in html
    assert "someone@here@console" in html and '<span class="dim">route</span> triage' in html
    html = operator.console.html("/operations?unfinished=true")
    assert "Retry 2 deliveries" not in html
    assert "<span>with items left</span>" in html
    assert '<option value="true" selected>yes</option><option value="false">no</option>' in html
    assert operator.console.get("/operations?since=x").status_code == 400
    for missing in ("/operations/act_zzz", "/operations/%00"):
        assert operator.console.get(missing).status_code == 404


def test_an_operation_of_a_command_is_shown_without_a_stop(operator: ConsoleOperator) -> None:
    from bridge.services.operations.execution import begin_operation

    (one,) = operator.add_dead(1)
    made = begin_operation(operator.database, "erase", [one.event_id], actor="ann", request={})
    html = operator.console.html(f"/operations/{made.id}")
    assert "Erase 1 record" in html and "/stop" not in html
    assert operator.console.post(f"/operations/{made.id}/stop").status_code == 409


# -- lists and the page of an event


def test_all_that_match_are_those_of_the_list(operator: ConsoleOperator) -> None:
    operator.add_dead(1, reason="HTTP 50 and more")
    operator.add_dead(1, reason="HTTP 500")
    html = operator.console.html("/deliveries?status=dead&reason=HTTP+50+")
    form = operator.form_of(html, 'id="act"')
    page = operator.propose(command="retry", which="all", **form)
    assert html.count('class="tick"><label') == 1
    assert "Retry 1 delivery?" in operator.console.html(page)


def test_rows_are_ticked_or_all_that_match(operator: ConsoleOperator) -> None:
    made = operator.add_dead(2)
    for path, ids in (
        ("/deliveries?status=dead", [one.id for one in made]),
        ("/events?status=dead", [one.event_id for one in made]),
    ):
        html = operator.console.html(path)
        for id_ in ids:
            assert f'name="id" value="{id_}" form="act"' in html
        form = operator.form_of(html, 'id="act"')
        assert form["filter.status"] == ["dead"] and form["next"] == [f"/console{path}"]
        page = operator.propose(command="retry", which="all", **form)
        assert "Retry 2 deliveries" in operator.console.html(page)
    assert 'value="all"' not in operator.console.html("/deliveries")  # without a filter
    operator.console.log_in((Scope.READ, Scope.BODIES))
    for path in ("/deliveries", "/events"):
        assert 'type="checkbox"' not in operator.console.html(path)


@pytest.mark.parametrize(
    ("path", "command", "title"),
    [
        ("/events?status=dead", "retry", "Retry 1 delivery?"),
        ("/events?status=dead", "replay", "Replay 1 event?"),
        ("/deliveries?status=dead", "retry", "Retry 2 deliveries?"),
        ("/deliveries?status=dead", "replay", "Replay 2 events?"),
    ],
)
def test_all_that_match_have_the_alerts_that_the_list_has(
    sqlite: Database, tmp_path: Path, path: str, command: str, title: str
) -> None:
    tell = "  - {name: tell, on: flowbridge, inputs: {title: x}, flow: local/echo}\n"
    operator = ConsoleOperator(sqlite, tmp_path, ROUTES + tell)
    operator.add_dead(1)
    alert = {"source": OWN_SOURCE_NAME, "type": "alert.raised"}
    operator.add_dead(1, event=alert, route="tell")
    html = operator.console.html(path)
    assert html.count('class="tick"><label') == int(title.split()[1])
    form = operator.form_of(html, 'id="act"')
    page = operator.propose(command=command, which="all", **form)
    assert title in operator.console.html(page)


@pytest.mark.parametrize(
    ("path", "command", "count"),
    [
        ("/events", "retry", 0),
        ("/events", "replay", 0),
        ("/deliveries", "retry", 1),
        ("/deliveries", "replay", 1),
    ],
)
def test_all_that_match_are_of_the_times_of_the_list(
    operator: ConsoleOperator, path: str, command: str, count: int
) -> None:
    """An old event may have a delivery that was planned later."""
    operator.add_dead(1, event={"now": NOW - 86400}, created_at=NOW)
    since = {"since": "2025-11-24T00:00:00Z", "status": "dead"}
    html = operator.console.html(f"{path}?{urlencode(since)}")
    assert html.count('class="tick"><label') == count
    filters = {f"filter.{name}": text for name, text in since.items()}
    page = operator.propose(command=command, which="all", list=path[1:], **filters)
    assert operator.operations()[0].count == count, operator.console.html(page)


def test_a_replay_of_a_list_of_one_route_goes_through_that_route(
    operator: ConsoleOperator,
) -> None:
    (one,) = operator.add_dead(1)
    form = operator.form_of(operator.console.html("/deliveries?route=triage"), 'id="act"')
    page = operator.propose(command="replay", id=[one.id], **{"how.through": form["how.through"]})
    assert operator.operations()[0].options["through"] == "triage"
    assert '<span class="dim">through</span> triage' in operator.console.html(page)
    operator.propose(command="retry", id=[one.id], **{"how.through": "triage"})


def test_spam_is_released_from_its_list(operator: ConsoleOperator) -> None:
    event = make_event(spam="too fast", provider="form", config_hash=operator.config.hash)
    events.add(operator.database, event, (), lambda *_: [])
    html = operator.console.html("/events?spam=true")
    assert 'value="spam release"' in html and 'value="all"' not in html
    page = operator.propose(command="spam release", id=[event.id])
    assert "Release 1 event?" in operator.console.html(page)


def test_the_page_of_an_event_acts_on_it_and_its_deliveries(operator: ConsoleOperator) -> None:
    (dead,) = operator.add_dead(1)
    html = operator.console.html(f"/events/{dead.event_id}")
    form = operator.form_of(html, ">Retry<")
    assert (form["id"], form["next"]) == ([dead.id], [f"/console/events/{dead.event_id}"])
    form = operator.form_of(html, ">Replay through triage<")
    assert form["how.through"] == ["triage"]
    operator.propose(command="replay", **form)
    operator.console.log_in((Scope.READ, Scope.BODIES))
    assert ">Retry<" not in operator.console.html(f"/events/{dead.event_id}")


def test_of_two_that_agree_at_once_one_succeeds(operator: ConsoleOperator) -> None:
    operator.add_dead(1)
    page = operator.propose(command="retry", which="all", filter__status="dead")
    assert operator.agree(page).status_code == 303
    assert operator.agree(page).status_code == 409
    (one,) = operator.operations()
    now = time.time()
    assert control.agree(operator.database, one, str(one.token), now, {"rate": "1/s"}) is None


def test_the_url_of_a_form_leads_to_the_page_above_it(operator: ConsoleOperator) -> None:
    answer = operator.console.get("/operations/act_1/agree")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/operations/act_1")
