"""`/forms`: the inbox of a form, its spam, its files, and what is done to submissions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from admin_client import lift_rates
from console_client import ConsoleClient
from console_operator import ConsoleOperator
from forms import MULTIPART, URLENCODED, multipart, part
from records import make_delivery, make_event
from werkzeug.wrappers import Response

from bridge.config.loader import load
from bridge.core.model import Event, FormFile, Status
from bridge.core.scopes import Scope
from bridge.services import form_inbox
from bridge.services.form_inbox import find_reply_address
from bridge.store import audit
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables import schema
from bridge.web.admin import limits
from bridge.web.console.views import form_downloads
from bridge.web.process_locks import ProcessLocks

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  contact: {provider: form}
  survey: {provider: typeform, secret: a-long-enough-secret-of-a-test}
  github: {provider: github, secret: a-long-enough-secret-of-a-test}
routes:
  - {name: reply, on: contact, inputs: {text: "${form.message}"}, flow: local/echo}
"""
SECRET = "s3cret-c0ntent"


@pytest.fixture
def operator(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ConsoleOperator:
    lift_rates(monkeypatch)
    made = ConsoleOperator(database, tmp_path)
    path = tmp_path / "forms.yaml"
    path.write_text(ROUTES)
    made.config = load(path, {}, strict_secrets=False)
    made.console = ConsoleClient(database, tmp_path, made.config)
    made.console.log_in()
    return made


@pytest.fixture
def console(operator: ConsoleOperator) -> ConsoleClient:
    return operator.console


def submit(console: ConsoleClient, fields: dict[str, str], **changes: object) -> Event:
    """Store a submission of `contact` with a delivery, or without where it is spam."""
    values: dict[str, object] = {
        "source": "contact",
        "provider": "form",
        "type": "submission",
        "headers": {"content-type": URLENCODED},
        "body": urlencode(fields).encode(),
    }
    event = make_event(**values | changes)  # type: ignore[arg-type]
    one = make_delivery(event, "reply", status=Status.DELIVERED)
    events.add(console.database, event, () if event.spam else (one,), lambda *_: [])
    return event


def actions(console: ConsoleClient) -> list[tuple[str, str | None]]:
    return [(one.action, one.subject) for one in audit.list_entries(console.database, limit=50)]


def test_the_inbox_has_the_first_fields_as_columns(console: ConsoleClient) -> None:
    event = submit(
        console,
        {"name": "Ada <b>", "email": "ada@example.com", "message": "Hello", "rest": "unseen"},
    )
    submit(console, {"name": "Spammer"}, spam="a honeypot was filled in")
    html = console.html("/forms/contact")
    for label in ("name", "email", "message"):
        assert f'scope="col">{label}</th>' in html
    assert "Ada &lt;b&gt;" in html and "unseen" not in html and "Spammer" not in html
    assert f'href="/console/events/{event.id}"' in html
    assert 'href="mailto:ada%40example.com"' in html
    assert "delivered" in html
    html = console.html("/forms/contact/spam")
    assert "Spammer" in html and "a honeypot was filled in" in html and "Ada" not in html
    html = console.html("/forms")
    assert 'href="/console/forms/contact"' in html and 'href="/console/forms/survey"' in html
    assert 'href="/console/forms/github"' not in html
    assert 'href="/console/forms/contact">Inbox' in console.html("/sources/contact")
    assert ">Inbox" not in console.html("/sources/github")


def test_only_a_deleted_submission_says_that_its_content_is_deleted(console: ConsoleClient) -> None:
    first, second = (
        submit(console, {"name": "", "message": "Hello"}),
        submit(console, {"name": "x"}),
    )
    assert "no value" in (html := console.html("/forms/contact")) and "deleted" not in html
    console.log_in((Scope.READ,))
    assert first.id in (html := console.html("/forms/contact")) and "deleted" not in html
    with console.database.engine.begin() as connection:
        mine = schema.event.c.id == second.id
        connection.execute(schema.event.update().where(mine).values(body=b""))
    console.log_in()
    assert console.html("/forms/contact").count("content deleted") == 1


def test_a_source_without_fields_has_no_inbox(console: ConsoleClient) -> None:
    submit(console, {}, source="github", provider="github")
    submit(console, {"name": "Ada"}, source="removed")
    for path in ("/forms/github", "/forms/github/spam", "/forms/github/export?as=csv"):
        answer = console.get(path)
        assert answer.status_code == 404 and "There is no form" in answer.text
    assert console.get("/forms/removed").status_code == 200  # whatever its provider was


def test_only_a_single_valid_address_is_linked() -> None:
    for values, found in (
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"email": "x", "_replyto": "ada@example.com"}, "ada@example.com"),
        ({"mail": "b@example.com", "E-Mail": "a@example.com"}, "a@example.com"),
        ({"Your work email": " ada@example.com "}, "ada@example.com"),
        ({"email": "a@example.com,b@example.com"}, None),
        ({"email": "a@example.com?cc=b@example.com"}, None),
        ({"email": "a@example.com\r\nCc: b@example.com"}, None),
        ({"email": "javascript:alert(1)"}, None),
        ({"email": f"{'a' * 300}@example.com"}, None),
        ({"email": ["a@example.com"]}, None),
        ({"name": "a@example.com"}, None),
        ([], None),
    ):
        assert find_reply_address(values) == found, values  # type: ignore[arg-type]


def test_search_and_filters(console: ConsoleClient) -> None:
    submit(console, {"name": "Ada", "message": "Grüße & more"})
    submit(console, {"name": "Bob", "message": "other"})
    for query, shown, hidden in (
        ("text=GRÜSSE", "Ada", "Bob"),
        ("text=%26+more", "Ada", "Bob"),
        ("status=delivered&text=other", "Bob", "Ada"),
    ):
        html = console.html(f"/forms/contact?{query}")
        assert shown in html and hidden not in html, query
    html = console.html("/forms/contact?status=none")
    assert "remove one above" in html
    assert console.get("/forms/contact?status=nope").status_code == 400
    assert console.get("/forms/contact?spam=true").status_code == 400
    for missing in ("/forms/nope", "/forms/nope/spam", "/forms/nope/export", "/forms/%00"):
        assert console.get(missing).status_code == 404, missing


def test_an_empty_inbox_says_how_to_send_one(console: ConsoleClient) -> None:
    assert 'data-copy="flowbridge sample contact --to"' in console.html("/forms/contact")
    assert "No submission is marked as spam" in console.html("/forms/contact/spam")


def test_without_bodies_no_field_and_no_name_of_a_file_is_shown(console: ConsoleClient) -> None:
    file = FormFile(field=SECRET, name=f"{SECRET}.pdf", type="application/pdf", size=7, sha256="0")
    event = submit(console, {SECRET: SECRET, "email": "ada@example.com"}, files=(file,))
    submit(console, {"name": SECRET}, spam=f"blocked word: {SECRET}")
    console.log_in((Scope.READ, Scope.ACT))
    for path in ("/forms", "/forms/contact", "/forms/contact/spam"):
        html = console.html(path)
        assert SECRET not in html and "mailto" not in html and "/file?" not in html, path
        assert "/export" not in html, path
    assert "1 file" in console.html("/forms/contact")
    for path in (
        "/forms/contact/export",
        f"/events/{event.id}/file?number=0",
        "/forms/contact?text=x",
        "/forms/contact/spam?reason=x",
    ):
        assert console.get(path).status_code == 403, path


def test_spam_is_released_and_a_submission_marked(operator: ConsoleOperator) -> None:
    console = operator.console
    spam = submit(console, {"message": "real"}, spam="too fast", config_hash=operator.config.hash)
    form = operator.form_of(console.html("/forms/contact/spam?reason=fast"), 'id="act"')
    page = operator.propose(command="spam release", which="all", **form)
    assert "Release 1 event?" in console.html(page)
    operator.carry_out(page)
    assert "real" in console.html("/forms/contact")
    assert "real" not in console.html("/forms/contact/spam")
    form = operator.form_of(console.html("/forms/contact"), 'id="act"')
    page = operator.propose(command="spam mark", id=spam.id, **form)
    operator.carry_out(page)
    assert "real" in console.html("/forms/contact/spam")


def test_acts_need_their_scope_and_all_is_for_spam_only(console: ConsoleClient) -> None:
    submit(console, {"name": "Ada"})
    submit(console, {"name": "Bob"}, spam="too fast")
    assert 'value="spam mark"' in console.html("/forms/contact")
    assert 'value="all"' not in console.html("/forms/contact")
    assert 'value="all"' in console.html("/forms/contact/spam")
    assert 'value="all"' not in console.html("/forms/contact/spam?text=bob")
    console.log_in((Scope.READ, Scope.BODIES))
    for path in ("/forms/contact", "/forms/contact/spam"):
        assert 'id="act"' not in console.html(path)


def test_a_download_that_has_to_wait_is_not_repeated_by_the_page(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each download is recorded, so that only a person asks for it again."""
    monkeypatch.setattr(ProcessLocks, "try_acquire", lambda *_: False)
    answer = console.get("/forms/contact/export?as=csv")
    assert answer.status_code == 503
    assert "data-retry" in answer.text and "/retry." not in answer.text


def test_downloads_have_the_filters_and_are_recorded(console: ConsoleClient) -> None:
    submit(console, {"name": "Ada", "message": "=1+1"})
    submit(console, {"name": "Bob"})
    submit(console, {"name": "Eve"}, spam="too fast")
    html = console.html("/forms/contact?text=ada")
    assert "/console/forms/contact/export?text=ada&amp;as=csv" in html
    answer = console.get("/forms/contact/export?text=ada&as=csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="contact.csv"')
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(one["name"], one["message"]) for one in rows] == [("Ada", "'=1+1")]
    lines = console.html("/forms/contact/export?as=ndjson").splitlines()
    assert [json.loads(one)["fields"]["name"] for one in lines] == ["Ada", "Bob"]
    spam = console.html("/forms/contact/export?as=ndjson&spam=true").splitlines()
    assert [json.loads(one)["fields"]["name"] for one in spam] == ["Eve"]
    assert console.get("/forms/contact/export?as=xml").status_code == 400
    found = [subject for action, subject in actions(console) if action == "exported"]
    assert found[-1] == "/forms/contact/export?as=csv&text=…"
    assert len(found) == 3


def test_a_download_too_large_is_refused_whole(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Ada", "Bob", "Eve"):
        submit(console, {"name": name})
    monkeypatch.setattr(form_downloads, "MAX_DOWNLOAD_BYTES", 60)
    answer = console.get("/forms/contact/export?as=ndjson")
    assert answer.status_code == 400 and "flowbridge export" in answer.text
    monkeypatch.setattr(form_inbox, "MAX_DOWNLOADED_SUBMISSIONS", 2)
    answer = console.get("/forms/contact/export")
    assert answer.status_code == 400 and "more than 2 submissions" in answer.text.lower()
    assert [one for one, _ in actions(console) if one == "exported"] == []


@pytest.mark.usefixtures("new_processes")
def test_a_file_is_a_download_and_its_preview_a_picture_of_ours(console: ConsoleClient) -> None:
    blobs = BlobStore.of(console.settings)
    content = b"<script>alert(1)</script>"
    files = (
        FormFile(
            field="cv",
            name='a"b\r\n.html',
            type="text/html",
            size=len(content),
            sha256=blobs.store(content),
        ),
        FormFile(field="photo", name="p.png", type="image/png", size=7, sha256=blobs.store(b"bad")),
    )
    body = multipart(part("name", b"Ada"))
    event = submit(console, {}, body=body, headers={"content-type": MULTIPART}, files=files)
    html = console.html("/forms/contact")
    url = f"/events/{event.id}/file?number="
    assert f'href="/console{url}0" download' in html and "2 files" in html
    assert f"{url}0&amp;preview" not in html
    with console.get(f"{url}0") as answer:
        assert answer.data == content
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="a_b__.html"')
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.mimetype == "application/octet-stream"
    assert actions(console)[0] == ("downloaded", f"file {files[0].sha256} of {event.id}")
    assert console.get(f"{url}0&preview=true").status_code == 404  # of no picture
    assert console.get(f"{url}1&preview=true").status_code == 404  # damaged
    for wrong in ("2", "-1", "x", "0" * 30, "%00"):
        assert console.get(f"{url}{wrong}").status_code == 404, wrong
    blobs.path(files[0].sha256).unlink()
    assert console.get(f"{url}0").status_code == 404


def test_a_preview_holds_no_place_for_readers(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(*_: object) -> Response:
        return Response(str(console.get("/forms").status_code))

    monkeypatch.setattr(limits, "MAX_REQUESTS", 1)
    monkeypatch.setattr(form_downloads, "send_preview", render)
    file = FormFile(field="cv", name="cv.pdf", type="application/pdf", size=1, sha256="0" * 64)
    event = submit(console, {"name": "Ada"}, files=(file,))
    assert console.get(f"/events/{event.id}/file?number=0&preview=true").text == "200"
    assert console.get("/forms").status_code == 200
