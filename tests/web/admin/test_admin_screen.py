"""The parameter `screen`: the advice that only people get, without contents where they are hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from remote_records import SECRET, add_records

from bridge.core.advice import Advice, name_command
from bridge.core.scopes import Scope
from bridge.services.events.event_screen import parse_screen
from bridge.store.db.database import Database
from bridge.store.queries import events
from bridge.store.queries.filters import Filters

READ = (Scope.READ,)


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    add_records(database)
    return AdminClient(database, tmp_path)


def get(admin: AdminClient, path: str, *, screen: bool, scopes: Any = tuple(Scope)) -> Any:
    answer = admin.get(path, {"screen": "true"} if screen else {}, scopes=scopes)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_screen_is_an_addition(admin: AdminClient) -> None:
    for event, _ in events.list_events(admin.database, Filters(status="dead"), 0):
        path = f"/events/{event.id}"
        shown = get(admin, path, screen=True).get_json()
        assert shown.pop("screen")["deliveries"].keys() == {
            one["id"] for one in shown["deliveries"]
        }
        assert shown == get(admin, path, screen=False).get_json()


def test_a_screen_has_no_contents_without_the_scope(admin: AdminClient) -> None:
    for event, _ in events.list_events(admin.database, Filters(), 0):
        answer = get(admin, f"/events/{event.id}", screen=True, scopes=READ)
        assert SECRET not in answer.text
    listed = get(admin, "/deliveries", screen=True, scopes=READ)
    assert SECRET not in listed.text
    assert set(listed.get_json()["screen"]) == {one["id"] for one in listed.get_json()["items"]}


def test_a_named_delivery_is_asked_for(admin: AdminClient) -> None:
    [event, *_] = [one for one, _ in events.list_events(admin.database, Filters(status="dead"), 1)]
    dead = next(
        one["id"]
        for one in get(admin, f"/events/{event.id}", screen=False).get_json()["deliveries"]
        if one["status"] == "dead"
    )
    screen = get(admin, f"/events/{dead}", screen=True).get_json()["screen"]
    assert screen["asked_for"] == dead
    assert screen["deliveries"][dead]["next_steps"]


def test_the_steps_of_a_screen_have_their_commands(admin: AdminClient) -> None:
    [event, *_] = [one for one, _ in events.list_events(admin.database, Filters(status="dead"), 1)]
    shape = get(admin, f"/events/{event.id}", screen=True).get_json()
    steps = [step for shown in parse_screen(shape).deliveries for step in shown.next_steps]
    commands = [command for step in steps for command in step.commands]
    assert {command.operation for command in commands} >= {"retry", "replay"}
    assert all(
        name_command(command.operation, *command.ids, **command.filters) == command
        for command in commands
        if command.operation
    )
    for about in shape["screen"]["deliveries"].values():  # as an earlier version has it
        del about["step_commands"]
    texts = [step for shown in parse_screen(shape).deliveries for step in shown.next_steps]
    assert texts == [Advice(step.sentence) for step in steps]


def test_trends_are_filtered_by_label(admin: AdminClient) -> None:
    query = {"name": "events", "since": "1h", "source": "github"}
    points = admin.get("/trends", query).get_json()["items"]
    sources = {one["labels"]["source"] for point in points for one in point["series"]}
    assert sources == {"github"}
    assert admin.get("/trends", {**query, "platform": "local"}).status_code == 400
