"""HTML forms of the known services: the fields become a schema that accepts what the page sends."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from imported_hooks import ImportedHooks, import_texts
from receiving import keep_nothing, receive_request

from bridge.core.errors import InvalidRequest, Refused
from bridge.core.http_messages import Request
from bridge.importers.html_reader import read_page, split_html

PAGES = Path(__file__).parents[1] / "data" / "pages"


def import_page(name: str) -> ImportedHooks:
    return import_texts((name, (PAGES / name).read_text()))


def submit(imported: ImportedHooks, source: str, fields: list[tuple[str, str]]) -> Any:
    """Return the form of the stored event, or the fields that are refused."""
    sent = Request(
        method="POST",
        path=f"/hooks/{source}",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(fields).encode(),
    )
    found = imported.config.sources[source]
    try:
        received = receive_request(sent, found, imported.config, keep_nothing, 1_764_000_000.0)
    except Refused as error:
        return sorted(error.fields)
    return received.body.form if received.body else None


def test_formspree() -> None:
    imported = import_page("formspree.html")
    source = imported.result.sources["contact"]
    assert source["allowed_origins"] == ["https://shop.example.com"]
    assert source["redirect"] == "https://shop.example.com/thanks"
    schema = source["schema"]
    assert schema["required"] == ["name", "email", "terms", "message"]
    assert schema["properties"]["name"] == {"title": "Your name", "type": "string", "maxLength": 80}
    assert list(schema["properties"]) == ["name", "email", "topic", "terms", "days", "message"]
    assert imported.places("not_carried") == []
    sent = [
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("topic", ""),
        ("terms", "on"),
        ("days", "mon"),
        ("message", "Good morning to you"),
        ("_gotcha", ""),
        ("_subject", "From the shop"),
    ]
    form = submit(imported, "contact", sent)
    assert form["name"] == "Ada"
    assert form["terms"] is True
    assert form["days"] == ["mon"]
    wrong = submit(imported, "contact", [*sent[:1], ("email", "nobody"), *sent[2:3], *sent[4:]])
    assert wrong == ["email", "terms"]


def test_netlify() -> None:
    imported = import_page("netlify.html")
    source = imported.result.sources["quote"]
    assert source["spam"] == {"honeypots": ["_gotcha", "botcheck", "bot-field", "website2"]}
    assert source["page"] == {"submit": "Ask for a quote"}
    properties = source["schema"]["properties"]
    assert properties["rooms"] == {"title": "Rooms", "type": "integer", "minimum": 1, "maximum": 40}
    assert properties["size"] == {"type": "string", "enum": ["S", "M"]}
    assert properties["plan"] == {"type": "string", "format": "binary"}
    assert imported.places("not_carried") == ["form[0].data-netlify-recaptcha", "form[0].captcha"]
    assert any("_next" in one.message for one in imported.result.findings)
    form = submit(
        imported,
        "quote",
        [
            ("form-name", "quote"),
            ("rooms", "3"),
            ("budget", ""),
            ("size", "M"),
            ("company", "Acme"),
        ],
    )
    assert form["rooms"] == 3
    assert submit(imported, "quote", [("rooms", "99"), ("size", "M")]) == ["rooms"]


def test_basin() -> None:
    imported = import_page("basin.html")
    assert imported.result.sources["basin"]["redirect"] == "https://example.org/ok"
    assert list(imported.result.sources["basin"]["schema"]["properties"]) == [
        "email",
        "site",
        "day",
        "code",
    ]
    assert imported.places("not_carried") == ["form[0].fields.code.pattern", "form[1]", "script"]
    assert any(
        "flowbridge form basin --as fetch" in one.message for one in imported.result.findings
    )
    fields = [("email", "a@example.com"), ("site", ""), ("day", ""), ("code", "")]
    assert submit(imported, "basin", fields)["email"] == "a@example.com"


def test_web3forms() -> None:
    imported = import_page("web3forms.html")
    assert "corpus-access-key" not in imported.text + repr(imported.result.findings)
    assert "redirect" not in imported.result.sources["web3forms"]
    assert imported.places("not_carried") == ["form[0].fields.redirect", "form[0].captcha"]
    sent = [("access_key", "k"), ("subject", "s"), ("first_name", "Ada"), ("phone", "")]
    assert submit(imported, "web3forms", sent)["first_name"] == "Ada"


def test_pages_and_hooks_share_one_configuration() -> None:
    hooks = ("hooks.json", '[{"id": "contact", "execute-command": "/x"}]')
    page = ("contact.html", (PAGES / "formspree.html").read_text())
    imported = import_texts(hooks, page)
    assert list(imported.config.sources) == ["contact", "contact-2"]


def test_a_page_without_a_form_and_a_form_of_another_service() -> None:
    with pytest.raises(InvalidRequest, match="no form"):
        import_texts(("a.html", "<p>Hello"), kind="html")
    imported = import_texts(("a.html", "<form action=https://example.com/x method=post>"))
    assert imported.places("not_carried") == ["form[0]"]
    imported = import_texts(("a.html", "<form action=https://formspree.io/f/x>"))
    assert imported.places("not_carried") == ["form[0].method"]


def test_html_is_read_as_browsers_read_it() -> None:
    page = read_page(
        "a.html",
        "<!-- <form> --><script>'<form>'</script><FORM a = 'x>y' b=\"1\" b=2 c>"
        "<textarea name=t><b>&amp;</textarea><input value='&lt;'/></form>",
    )
    assert [dict(form.attributes) for form in page.forms] == [{"a": "x>y", "b": "1", "c": ""}]
    text, box = page.forms[0].controls
    assert (text.text, box.attributes["value"]) == ("<b>&", "<")
    lines = [token.line for token in split_html("\n<a\n>\n\n<b>") if token.tag]
    assert lines == [2, 5]


@pytest.mark.parametrize(
    "part", ["<a ", "<!--", "<!", "<", "</", "<a b='", "<a b=c ", "&", "<form>", "<input>", "<a\n="]
)
def test_hostile_pages_end_at_once(part: str) -> None:
    began = time.process_time()
    with suppress(InvalidRequest):
        read_page("a.html", part * (500_000 // len(part)))
    assert time.process_time() - began < 3
