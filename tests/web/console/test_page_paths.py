"""Finding pages: of a request, above the URL of a form, and the one that sent a form."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from bridge.web.console.page_paths import LOGIN, LOGOUT, find_page, find_page_above, find_sender
from bridge.web.console.page_row import ConsolePage


def test_a_path_and_a_method_name_a_page() -> None:
    found, ids = find_page("/console/events/evt_1", "HEAD")
    assert isinstance(found, ConsolePage)
    assert (found.path, ids) == ("/events/<id>", {"id": "evt_1"})
    assert find_page("/console/login", "POST")[0] == LOGIN
    assert find_page("/console/logout", "POST")[0] == LOGOUT
    assert isinstance(find_page("/console/logout", "GET")[0], MethodNotAllowed)
    assert isinstance(find_page("/console/events/evt_1/nothing", "GET")[0], NotFound)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/operations/act_1/agree", "/operations/act_1"),
        ("/settings/tokens", "/settings"),
        ("/logout", "/"),
    ],
)
def test_the_page_above_a_form_is_the_nearest_one(path: str, page: str) -> None:
    assert find_page_above(f"/console{path}") == f"/console{page}"


def sent_from(referrer: str, method: str = "POST") -> Request:
    headers = {"Referer": referrer, "Host": "localhost"}
    builder = EnvironBuilder(path="/console/operations", method=method, headers=headers)
    return Request(builder.get_environ())


@pytest.mark.parametrize("path", ["/deliveries?status=dead&route=triage", "/operations/act_1"])
def test_the_sender_of_a_form_is_a_page_of_the_console(path: str) -> None:
    assert find_sender(sent_from(f"http://localhost/console{path}")) == f"/console{path}"
    assert find_sender(sent_from(f"http://localhost/console{path}", "GET")) is None


@pytest.mark.parametrize(
    "referrer",
    [
        "",
        "http://localhost/console/operations/act_1/agree",  # it takes forms only
        "http://localhost/console/login/../events",
        "http://localhost/elsewhere",
        "http://other.example/console/events",
        "http://[::1/console/events",
    ],
)
def test_another_sender_of_a_form_is_none(referrer: str) -> None:
    assert find_sender(sent_from(referrer)) is None
