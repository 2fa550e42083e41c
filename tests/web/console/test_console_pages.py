"""Every page of the console with every scope, and payloads that are hostile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import overviews
import pytest
from admin_client import NO_CONFIG
from console_client import OWN_PAGE, ConsoleClient
from console_config import write_config
from console_records import (
    OPENED_PAGES,
    SHOWN_PATHS,
    fill_path,
    store_records,
    store_shown_records,
)
from fake_platform import FakePlatform
from jinja2 import Environment, Template
from records import NOW, make_delivery, make_event, put
from served_console import add_gumloop

from bridge.core.errors import StoreError
from bridge.core.scopes import Scope
from bridge.routing.model import Platform
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import hold
from bridge.web.console.application import Console
from bridge.web.console.assets import asset_url
from bridge.web.console.environment import (
    format_lines,
    keep_options,
    make_environment,
    mark_code,
)
from bridge.web.console.failures import as_sentence
from bridge.web.console.pages import PAGES

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
LOCAL = Platform(name="local", type="local", base_url="http://127.0.0.1:1/api/v1", timeout=1.0)
SECRET = "s3cret-c0ntent"
TOKEN_COMMAND = "flowbridge token add new-"  # of a refusal
#: Texts that are code in HTML, hide or turn text around, or are no text at all.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\x00\x1b[31m\x7f",
    "\u2028\ufeff",
)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    return ConsoleClient(database, tmp_path, replace(NO_CONFIG, platforms={"local": LOCAL}))


def test_pages_open_with_their_scope_and_show_contents_with_bodies_only(
    console: ConsoleClient,
) -> None:
    ids = store_records(console.database, SECRET)
    for scopes in (READ, (Scope.READ, Scope.ACT), READER, (Scope.ADMIN,)):
        console.log_in(scopes)
        held = {*scopes, Scope.READ} if Scope.ADMIN not in scopes else set(Scope)
        for page in OPENED_PAGES:
            answer = console.get(fill_path(page.path, ids))
            where = (page.path, scopes)
            assert (answer.status_code == 403) == (page.scope not in held), where
            assert answer.status_code in (200, 303, 403), where
            assert answer.status_code != 403 or TOKEN_COMMAND in answer.text, where
            assert Scope.BODIES in held or SECRET not in answer.text, where


def test_the_shown_paths_render_each_template(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`test_console_browser.py` opens these paths, and by a form and a script the two others."""
    rendered: set[str] = set()
    get_template = Environment.get_template

    def record(environment: Environment, name: str, *arguments: Any) -> Template:
        rendered.add(name)
        return get_template(environment, name, *arguments)

    monkeypatch.setattr(Environment, "get_template", record)
    ids = store_shown_records(sqlite, "text")
    with FakePlatform() as gumloop:
        config = write_config(tmp_path, text=add_gumloop(gumloop.base_url))
        console = ConsoleClient(sqlite, tmp_path, config)
        console.get("/login")
        console.log_in()
        for path in SHOWN_PATHS:
            console.get(fill_path(path, ids))
    assert {*make_environment().list_templates()} - rendered == {
        "new_rows.html",
        "playground_result.html",
    }


def test_no_form_works_without_its_scope(console: ConsoleClient) -> None:
    ids = store_records(console.database, SECRET)
    for number, page in enumerate(one for one in PAGES if one.method != "GET"):
        if number % 8 == 0:  # a session sends 10 forms at once
            console.log_in(READ)
        # the playground changes nothing
        assert page.scope in (Scope.ACT, Scope.ADMIN) or page.path == "/playground", page.path
        assert console.post(fill_path(page.path, ids)).status_code == 403, page.path


def test_the_rows_are_a_table_of_pages() -> None:
    assert len({(one.path, one.method) for one in PAGES}) == len(PAGES)
    labels = [one.label for one in PAGES if one.label is not None]
    assert len(set(labels)) == len(labels)
    assert [one.path for one in PAGES if one.label is not None and "<" in one.path] == []
    assert labels[:4] == ["Overview", "Events", "Deliveries", "Causes"]  # the bar of a phone
    assert labels[-3:] == ["Operations", "Configurations", "Settings"]


def test_the_search_finds_the_ids_that_lists_show(console: ConsoleClient) -> None:
    ids = store_records(console.database, "text")
    console.log_in()
    for path, kind in (
        ("/events", "events"),
        ("/deliveries", "deliveries"),
        ("/rejects", "rejects"),
    ):
        shown = re.search(r"<code>(\w{18})…</code>", console.html(path))
        assert shown is not None, path
        assert ids[kind].startswith(shown[1])
        answer = console.get(f"/find?q={shown[1]}")
        assert ids[kind] in answer.headers.get("Location", answer.text), path


@pytest.mark.parametrize(("attempts", "text"), [(0, "attempts"), (1, "attempt"), (2, "attempts")])
def test_a_card_counts_attempts_in_words(console: ConsoleClient, attempts: int, text: str) -> None:
    event = make_event()
    one = make_delivery(event)
    events.add(console.database, event, (one,), lambda *_: [])
    put(console.database, one.id, attempts=attempts)
    console.log_in()
    assert f'{attempts}<span class="phone"> {text}</span>' in console.html("/deliveries")


def test_an_unusable_configuration_is_a_band_on_every_page(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.log_in()
    assert "The configuration cannot be used." not in console.html("/events")
    monkeypatch.setattr(Console, "_read_overview", lambda _: overviews.everything())
    for path in ("/events", "/settings", "/sources"):
        html = console.html(path)
        assert "The configuration cannot be used." in html and "routes.yaml:8: no" in html
        assert "The last good one is used." in html
    assert "The configuration cannot be used." not in console.html("/configs")  # it says more


def test_a_hold_of_all_starts_is_a_band_on_every_page_that_it_touches(
    console: ConsoleClient,
) -> None:
    ids = store_records(console.database, "text")
    paths = ("/events", "/deliveries", "/routes", "/platforms", f"/events/{ids['events']}")
    console.log_in()
    assert not any("All starts are on hold" in console.html(path) for path in paths)
    console.database.write(lambda connection: hold.begin(connection, "a <b>restore", NOW))
    fresh = ConsoleClient(console.database, console.settings.config.parent)  # nothing is cached
    fresh.log_in(READ)
    for path in paths:
        html = fresh.html(path)
        assert "All starts are on hold" in html and "a &lt;b&gt;restore" in html, path
        assert "flowbridge db release" in html, path
    assert fresh.html("/").count("on hold") == 1  # a condition, with the same command


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(console: ConsoleClient, text: str) -> None:
    text = text.replace("\x00", "") if console.database.engine.dialect.name != "sqlite" else text
    ids = store_records(console.database, text, type=text, source="github")
    console.log_in()
    for page in OPENED_PAGES:
        answer = console.get(fill_path(page.path, ids))
        assert answer.status_code in (200, 303), page.path
        if answer.mimetype == "application/octet-stream":
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
            assert answer.headers["Content-Security-Policy"].startswith("sandbox; ")
            continue
        html = answer.text
        assert "<script>alert" not in html and "<img src=x" not in html, page.path
        assert "49" not in re.findall(r"note: (\d+)", html), page.path
        for char in "\u202e\x00\x1b\x7f\u2028\ufeff":
            assert char not in html, page.path
        assert 'href="javascript:' not in html, page.path


def test_filters_are_the_words_of_the_commands(console: ConsoleClient) -> None:
    ids = store_records(console.database, "text", problem=None, spam=None)
    console.log_in()
    for query, is_shown in (
        ("source=github&type=issues&status=dead", True),
        ("source=&type=&status=", True),
        ("type=other", False),
        ("where=body.action=opened&where=body.note=text", True),
        ("where=body.action=closed", False),
        ("body=opened&reason=title", True),
    ):
        html = console.html(f"/events?{query}")
        assert (ids["events"] in html) == is_shown, query
    html = console.html("/events?where=body.action=opened&source=github")
    assert html.count('name="where"') == 2
    assert 'href="/console/events?source=github"' in html  # the chip removes the other one


def test_wrong_filters_are_named_beside_the_form(console: ConsoleClient) -> None:
    store_records(console.database, "text")
    console.log_in()
    for query, message in (
        ("sorce=x", "Sorce: there is no such parameter; did you mean source?"),
        ("status=ded", "did you mean dead?"),
        ("since=yesterday", "is not a valid time"),
        ("source=githab", "there is no source"),
    ):
        answer = console.get(f"/events?{query}")
        assert answer.status_code == 400
        assert message in answer.text, query
    console.log_in(READ)
    answer = console.get("/events?body=x")
    assert (answer.status_code, TOKEN_COMMAND in answer.text) == (403, True)
    assert 'name="body"' not in console.html("/events")


def test_a_list_goes_on_by_a_cursor(console: ConsoleClient) -> None:
    for _ in range(53):
        store_records(console.database, "text")
    console.log_in()
    first = console.html("/events?source=github")
    older = re.search(r'href="/console(/events\?[^"]*before=[^"]*)" rel="next">Older', first)
    assert older is not None
    path = older[1].replace("&amp;", "&")
    second = console.html(path)
    assert "This is the end of the list." in second and ">Newest</a>" in second
    rows = [re.findall(r'href="/console/events/(evt_\w+)"', html) for html in (first, second)]
    assert [len(one) for one in rows] == [50, 3]
    assert not set(rows[0]) & set(rows[1])
    for lost in (path.replace("source=github", "type=other"), "/events?type=other&before=x"):
        answer = console.get(lost)
        assert answer.status_code == 400
        assert "<code>before</code> is no place of this list" in answer.text
        assert '<a class="button" href="/console/events?type=other">Newest</a>' in answer.text


@pytest.mark.timings(list_page_seconds=60.0)
def test_a_list_says_how_far_it_looked(console: ConsoleClient) -> None:
    arrivals = [(make_event(), ()) for _ in range(205)]  # more bodies than one page reads
    events.add_all(console.database, arrivals, lambda *_: [])
    console.log_in()
    html = console.html("/events?body=nothing-has-this")
    assert "None yet" in html and "Looked back to" in html
    following = re.search(r'href="/console(/events[^"]*)" rel="next">Keep looking', html)
    assert following is not None
    last = console.html(following[1].replace("&amp;", "&"))
    assert "No more events" in last and "no older events match these filters" in last
    assert "Looked back to" not in console.html("/events?limit=10")


def test_a_search_that_finds_one_record_opens_it(console: ConsoleClient) -> None:
    ids = store_records(console.database, "a-rare-text", problem=None)
    console.log_in()
    for query in (ids["events"], ids["events"][:-4], f" {ids['events']}\t", "a-rare-text"):
        answer = console.get(f"/find?q={query}")
        assert answer.headers["Location"] == f"/console/events/{ids['events']}", query
    assert "Nothing found" in console.html("/find?q=evt_zz")
    assert console.get("/find?q=evt_zz&limit=none").status_code == 400
    console.log_in(READ)
    assert "bodies are not searched" in console.html("/find?q=a-rare-text")


def test_a_store_that_does_not_answer_is_a_page(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.log_in()

    def fail(*_: object) -> None:
        raise StoreError("it is gone")

    monkeypatch.setattr(type(console.database), "read", fail)
    answer = console.get("/events?source=github&where=body.a%3D%26b")
    assert answer.status_code == 503
    assert "<h1>The store cannot be read</h1>" in answer.text
    assert answer.headers["Retry-After"] == "1"
    url = "/console/events?source=github&amp;where=body.a%3D%26b"
    assert f'<a class="button" href="{url}" data-retry>Try again</a>' in answer.text
    assert asset_url("retry.js") in answer.text
    sent = console.client.post("/console/operations", data={"csrf": "0"}, headers=OWN_PAGE)
    assert sent.status_code == 503
    assert "data-retry" not in sent.text and "before you send it again" in sent.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no event has this id", "No event has this id."),
        ("status: 'x' is not one of a, b", "Status: 'x' is not one of a, b."),
        ("act_01m8pqv8 was agreed to", "act_01m8pqv8 was agreed to."),
        ("routes.yaml: is it there?", "routes.yaml: is it there?"),
    ],
)
def test_an_error_is_a_sentence_and_no_name_in_it_is_changed(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


def test_an_empty_list_names_a_command_that_works_here(sqlite: Database, tmp_path: Path) -> None:
    routes = """
version: 1
sources:
  pair: {provider: discord, secret: "0000000000000000000000000000000000000000000000000000000000000000"}
  shop: {provider: stripe, secret: "%(literal)s"}
"""
    console = ConsoleClient(sqlite, tmp_path, write_config(tmp_path, text=routes))
    console.log_in()
    for path in ("/events", "/deliveries", "/tail"):
        assert "flowbridge sample shop invoice.paid --to" in console.html(path), path
    assert "flowbridge sample shop invoice.paid --to" in console.html("/playground")
    without = ConsoleClient(sqlite, tmp_path)
    without.log_in()
    for path in ("/events", "/rejects", "/playground"):
        assert "flowbridge add github" in without.html(path), path
        assert "SOURCE" not in without.html(path), path


def test_parts_in_backticks_are_code() -> None:
    assert mark_code("raise `daily_bytes` <b>") == "raise <code>daily_bytes</code> &lt;b&gt;"
    assert mark_code("a ` of a payload") == "a ` of a payload"
    assert mark_code(format_lines("`a`\nb")) == "<code>a</code>\nb"
    assert mark_code(None) == ""
    assert mark_code("`<b>`") == "<code>&lt;b&gt;</code>"


def test_options_of_a_command_stay_in_one_piece() -> None:
    option = '<span class="option">--to</span>'
    assert keep_options("flowbridge sample a --to <b>") == f"flowbridge sample a {option} &lt;b&gt;"
