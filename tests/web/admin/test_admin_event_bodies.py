"""`GET /events/{id}/body?at=`: the value at a place of a body, as its source reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from admin_client import AdminClient
from forms import MULTIPART, URLENCODED, multipart, part
from records import make_event

from bridge.api.problems import MEDIA_TYPE, TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.audit import AuditAction
from bridge.core.errors import StoreError
from bridge.core.json_values import MAX_POINTER_CHARS
from bridge.core.model import Event, FormFile
from bridge.core.scopes import Scope
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.inbound import events

READER = (Scope.READ, Scope.BODIES)
CONFIG = """\
version: 1
sources:
  github: {provider: github, secret: s}
  deep: {provider: github, secret: s, max_depth: 500}
  contact:
    provider: form
    allowed_origins: [https://example.com]
    files: true
    schema: {type: object, properties: {age: {type: integer}}}
"""
ISSUE = {
    "action": "opened",
    "issue": {"title": "Crash \u00e4", "labels": [{"name": "bug"}, None], "pull/s": {"~": 1.0}},
    "": False,
}
FILE = FormFile(field="cv", name="cv.pdf", type="application/pdf", size=3, sha256="0" * 64)
CV = multipart(part("cv", b"(3 bytes)", "cv.pdf"))


@pytest.fixture
def admin(sqlite: Database, tmp_path: Path) -> AdminClient:
    path = tmp_path / "sources.yaml"
    path.write_text(CONFIG)
    return AdminClient(sqlite, tmp_path, load(path, {}, strict_secrets=False))


def add(admin: AdminClient, body: bytes, media: str = "application/json", **changes: Any) -> Event:
    event = make_event(body=body, headers={"content-type": media}, **changes)
    events.add(admin.database, event, (), lambda *_: [])
    return event


def get(admin: AdminClient, event: Event, at: str, **more: Any) -> Any:
    return admin.get(f"/events/{event.id}/body", {"at": at}, **more)


def problem_of(answer: Any) -> dict[str, Any]:
    assert answer.mimetype == MEDIA_TYPE, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    problem: dict[str, Any] = answer.get_json()
    assert problem["status"] == answer.status_code
    return {**problem, "type": problem["type"].removeprefix(TYPE_PREFIX)}


def downloads(admin: AdminClient) -> list[str]:
    """Return the subjects of the recorded downloads."""
    found = audit.list_entries(admin.database)
    return [str(one.subject) for one in found if one.action == AuditAction.DOWNLOADED]


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("", ISSUE),
        ("/action", "opened"),
        ("/issue/title", "Crash \u00e4"),
        ("/issue/labels", [{"name": "bug"}, None]),
        ("/issue/labels/0/name", "bug"),
        ("/issue/labels/1", None),
        ("/issue/pull~1s/~0", 1.0),
        ("/", False),
    ],
)
def test_the_value_at_a_place_is_answered(admin: AdminClient, at: str, found: Any) -> None:
    answer = get(admin, add(admin, json.dumps(ISSUE).encode()), at, scopes=READER)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert (answer.get_json(), type(answer.get_json())) == (found, type(found))


@pytest.mark.parametrize(
    ("media", "body", "changes", "at", "found"),
    [
        (
            URLENCODED,
            b"payload=" + quote(json.dumps(ISSUE)).encode(),
            {},
            "/issue/title",
            "Crash \u00e4",
        ),
        (URLENCODED, b"a=1&b=2&b=3", {"source": "gone"}, "/b", ["2", "3"]),
        (URLENCODED, b"email=a%40b.example&age=7", {"source": "contact"}, "/age", 7),
        (MULTIPART, CV, {"source": "contact", "files": (FILE,)}, "/cv/name", "cv.pdf"),
        ("text/xml", b"<a>1</a>", {"source": "gone"}, "", "<a>1</a>"),
        ("text/plain", b"hello", {}, "", "hello"),
        ("", b"", {}, "", ""),
        ("application/cloudevents+json", b'{"id": 1}', {}, "/id", 1),
    ],
)
def test_a_body_is_read_as_its_source_does(
    admin: AdminClient, media: str, body: bytes, changes: Any, at: str, found: Any
) -> None:
    answer = get(admin, add(admin, body, media, **changes), at)
    assert answer.status_code == 200, answer.text
    assert answer.get_json() == found


def test_it_is_a_download_as_the_raw_body_is(admin: AdminClient) -> None:
    event = add(admin, json.dumps(ISSUE).encode())
    raw, value = admin.get(f"/events/{event.id}/body"), get(admin, event, "/issue")
    assert (raw.mimetype, raw.data) == ("application/octet-stream", event.body)
    for name in ("Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"):
        assert value.headers[name] == raw.headers[name], name
    assert value.headers["Cache-Control"] == "no-store" and "ETag" not in value.headers
    assert value.headers["Content-Disposition"] == f'attachment; filename="{event.id}.json"'
    assert downloads(admin) == [f"body of {event.id}"] * 2


def test_what_cannot_be_recorded_is_not_given_out(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = add(admin, b'{"a": "s3cret"}')
    admin.token(READER)

    def fail(*_: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(audit, "add_alone", fail)
    answer = get(admin, event, "/a", scopes=READER)
    assert problem_of(answer)["type"] == "store_unavailable" and "s3cret" not in answer.text


@pytest.mark.parametrize(
    "scopes", [(Scope.READ,), (Scope.READ, Scope.ACT)], ids=lambda one: one[-1].value
)
@pytest.mark.parametrize("at", ["", "/a", "/x", "a"])
def test_it_needs_the_scope_bodies(admin: AdminClient, scopes: Any, at: str) -> None:
    answer = get(admin, add(admin, b'{"a": "s3cret"}'), at, scopes=scopes)
    assert (answer.status_code, problem_of(answer)["type"]) == (403, "missing_scope")
    assert downloads(admin) == []


@pytest.mark.parametrize(
    ("at", "detail"),
    [
        ("issue/title", "begins with `/`"),
        ("#/issue", "begins with `/`"),
        (" ", "begins with `/`"),
        ("/~", "as `~0`"),
        ("/issue~2", "as `~0`"),
        ("/" + "a" * MAX_POINTER_CHARS, f"at most {MAX_POINTER_CHARS}"),
        ("/a\0", "null character"),
    ],
)
def test_a_malformed_pointer_is_refused(admin: AdminClient, at: str, detail: str) -> None:
    problem = problem_of(get(admin, add(admin, b"{}"), at))
    assert (problem["status"], problem["type"]) == (400, "invalid_parameter")
    (error,) = problem["errors"]
    assert error["param"] == "at" and detail in error["detail"]
    assert downloads(admin) == []


def test_a_parameter_is_given_once_and_by_its_name(admin: AdminClient) -> None:
    path = f"/events/{add(admin, b'{}').id}/body"
    for query in ({"at": ["", "/a"]}, {"At": "/a"}):
        problem = problem_of(admin.get(path, query))
        assert (problem["status"], problem["type"]) == (400, "invalid_parameter")
    assert problem["errors"][0]["near"] == "at"


@pytest.mark.parametrize(
    ("at", "detail", "near"),
    [
        ("/isue/title", "the body has no member 'isue'", "/issue"),
        ("/issue/titel", "/issue has no member 'titel'", "/issue/title"),
        ("/issue/pul~1s/x", "/issue has no member 'pul/s'", "/issue/pull~1s"),
        ("/issue/zzz", "/issue has no member 'zzz'", None),
        ("/issue/title/0", "/issue/title has no members: its type is string", None),
        ("/action/x", "/action has no members: its type is string", None),
        ("/issue/labels/2", "/issue/labels has no item '2': its items are 0 to 1", None),
        ("/issue/labels/name", "/issue/labels has no item 'name': its items are 0 to 1", None),
        ("/issue/labels/-", "/issue/labels has no item '-': its items are 0 to 1", None),
        ("/issue/labels/00", "/issue/labels has no item '00': its items are 0 to 1", None),
        ("/issue/labels/1/x", "/issue/labels/1 has no members: its type is null", None),
        ("/issue/none/0", "/issue/none has no item '0': it is empty", None),
        ("/" + "x" * 3000, "the body has no member 'xxx", None),
        ("/issue" + "/\U0001f600" * 100, "/issue has no member", None),
    ],
)
def test_a_place_that_does_not_exist_is_not_found(
    admin: AdminClient, at: str, detail: str, near: str | None
) -> None:
    issue = {**ISSUE["issue"], "none": []}  # type: ignore[dict-item]
    event = add(admin, json.dumps({**ISSUE, "issue": issue}).encode())
    problem = problem_of(get(admin, event, at))
    assert (problem["status"], problem["type"]) == (404, "not_found")
    (error,) = problem["errors"]
    assert error["param"] == "at" and error["detail"] == problem["detail"]
    assert error["detail"].startswith(detail) and len(error["detail"]) < 400
    assert error["near"] == near
    if near is not None:
        assert get(admin, event, near).status_code == 200
    assert downloads(admin) == ([] if near is None else [f"body of {event.id}"])


def test_near_names_are_looked_for_within_limits(admin: AdminClient) -> None:
    """A sender chooses the names, and each is compared letter by letter."""
    name = "ab" * 1500
    body = {f"{name}{letter}c": 1 for letter in "pqrstuvw"}
    event = add(admin, json.dumps(body).encode())
    assert problem_of(get(admin, event, f"/{name}xc"))["errors"][0]["near"] is None


@pytest.mark.parametrize(
    ("media", "body", "detail"),
    [
        ("application/json", b"not json", "the body is not JSON: "),
        ("application/json", b"", "the body is not JSON: "),
        ("application/json", b"[" * 101 + b"]" * 101, "nested deeper than 100 levels"),
        ("application/octet-stream", b"\xff\x00", "neither JSON nor UTF-8 text"),
        (URLENCODED, b"a=%ff", "not a URL-encoded form"),
        ("multipart/form-data; boundary=x", b"--y", "not a multipart form"),
    ],
)
@pytest.mark.parametrize("at", ["", "/a"])
def test_a_body_that_cannot_be_read_has_no_value(
    admin: AdminClient, media: str, body: bytes, detail: str, at: str
) -> None:
    event = add(admin, body, media, source="gone")
    problem = problem_of(get(admin, event, at))
    assert (problem["status"], problem["type"]) == (406, "not_acceptable")
    assert detail in problem["detail"]
    assert downloads(admin) == []
    assert admin.get(f"/events/{event.id}/body").data == body


def test_a_deleted_body_is_not_found(admin: AdminClient) -> None:
    event = add(admin, b"", body_sha256="0" * 64)
    problem = problem_of(get(admin, event, ""))
    assert (problem["status"], problem["type"]) == (404, "not_found")
    assert "has deleted its body" in problem["detail"]


def test_an_unknown_event_is_not_found(admin: AdminClient) -> None:
    problem = problem_of(admin.get("/events/evt_zz/body", {"at": "/a"}))
    assert (problem["status"], problem["type"]) == (404, "not_found")


def test_a_deep_body_is_answered(admin: AdminClient) -> None:
    body = b"[" * 500 + b"]" * 500
    event = add(admin, body, source="deep")
    assert get(admin, event, "").data == body
    assert get(admin, event, "/0" * 498).data == b"[[]]"
    assert problem_of(get(admin, event, "/0" * 500))["status"] == 404


def test_numbers_and_texts_are_written_as_json(admin: AdminClient) -> None:
    body = b'[1.0, 1e3, 12345678901234567890, -0.0, true, "\\u2028</script>", "\\n"]'
    answer = get(admin, add(admin, body), "")
    assert json.loads(answer.data) == json.loads(body)
