"""Forms as browsers and scripts meet them over HTTP: redirects, pages, JSON, sites, languages, and
the hosted form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from serving import Answer, Bridge, exchange, head

ANY = "rate: 10000/min and 10000/min per address"
FREE = f"{ANY}, spam: {{altcha: off, token: off, duplicates: keep}}"
ROUTES = f"""
version: 1
platforms:
  local: {{type: local}}
sources:
  contact:
    provider: form
    rate: 10000/min and 10000/min per address
    spam: {{altcha: off, token: off, duplicates: keep}}
    page: {{title: "Write to <us>", intro: "First.\\n\\nSecond.", submit: Off it goes, thanks: We have it.}}
    schema:
      type: object
      required: [name, email]
      properties:
        name: {{type: string, minLength: 2, title: Your name}}
        email: {{type: string, format: email}}
        age: {{type: integer, minimum: 18}}
        topic: {{enum: [sales, "<i>other</i>"]}}
        tags: {{type: array, items: {{enum: [red, green]}}}}
        news: {{type: boolean}}
        message: {{type: string, maxLength: 5000}}
  plain: {{provider: form, {FREE}}}
  site: {{provider: form, {FREE}, redirect: "https://example.com/thanks", allowed_origins: [https://example.com, "http://localhost:3000"],
         schema: {{properties: {{name: {{type: string, minLength: 2}}}}}}}}
  back: {{provider: form, {FREE}, on_error: back, allowed_origins: [https://example.com],
         schema: {{required: [name], additionalProperties: false, properties: {{name: {{type: string}}, "a b": {{type: integer}}}}}}}}
  to_page: {{provider: form, {FREE}, on_error: "https://example.com/contact?a=1#form", schema: {{required: [name]}}}}
  own: {{provider: form, {FREE}, page: {{thanks_template: pages/thanks.html, embed_in: [https://example.com], language: de}}}}
  unhosted: {{provider: form, {FREE}, page: {{hosted: false, noindex: true}}}}
  unlisted: {{provider: form, {FREE}, page: {{noindex: true}}}}
  watched: {{provider: form, rate: 2/h and 1/h per address}}
  guarded: {{provider: form, {ANY}, spam: {{honeypots: ["web<site>"]}}, schema: {{required: [name]}}}}
  mails: {{provider: form, {FREE}}}
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: control, on: mails, inputs: {{form: "${{form}}", subject: "${{body._subject}}", body: "${{body}}"}}, flow: local/echo}}
"""
OWN = """<!doctype html><title>x</title>
<p>{{ title }}: {{ form.name }} / {{ form.a.b }} / {{ source }} / {{ language }}{% if form.fail %}{{ 1/0 }}{% endif %}"""
AS_PAGE = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
}
AS_JSON = AS_PAGE | {"Accept": "application/json"}
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'\" autofocus onfocus=alert(1) x='",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\r\nSet-Cookie: a=b\r\n\r\n<b>",
    "\u202e\u2028\ufffe",
    "&lt;b&gt; &amp; &#x27;",
]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("forms")
    (folder / "pages").mkdir()
    (folder / "pages" / "thanks.html").write_text(OWN)
    environ = {"FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.net"}
    apart = {
        "bridge.web.receiving.rate_limiter.CELLS": 2**24
        # by chance two of few limits would be one, and some form would be sent or looked at too
        # often
    }
    with Bridge(folder, "web", routes=ROUTES, environ=environ, timings=apart) as bridge:
        yield bridge


def send(web: Bridge, source: str, fields: object, headers: dict[str, str] | None = None) -> Answer:
    body = fields if isinstance(fields, bytes) else urlencode(fields, doseq=True).encode()  # type: ignore[arg-type]
    return web.post(f"/hooks/{source}", body, AS_PAGE if headers is None else headers)


def is_harmless(answer: Answer) -> None:
    """No script, no handler and no address of a script is in the page, whatever was sent; and
    nothing of it is in a header.
    """
    page = answer.body.decode()
    assert "<script" not in page
    tags = re.findall(r"<[a-zA-Z/][^>]*>", page)
    assert not [tag for tag in tags if re.search(r"\son[a-z]+\s*=", re.sub(r'"[^"]*"', '""', tag))]
    assert not re.search(r'(href|action|src)="\s*(javascript|data|vbscript):', page)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


# -- the page that follows


@pytest.mark.parametrize(
    ("source", "field", "url", "origin", "lands"),
    [
        (
            "site",
            "_next",
            "https://example.com/ok?x=1",
            "https://example.com",
            "https://example.com/ok?x=1",
        ),
        (
            "site",
            "_redirect",
            "http://localhost:3000/",
            "https://example.com",
            "http://localhost:3000/",
        ),
        ("site", "redirect", "https://example.com/r", None, "https://example.com/r"),
        ("site", "_next", "/there", "http://localhost:3000", "http://localhost:3000/there"),
        (
            "site",
            "_next",
            "https://evil.example/",
            "https://example.com",
            "https://example.com/thanks",
        ),
        (
            "site",
            "_next",
            "https://example.com@evil.example/",
            "https://example.com",
            "https://example.com/thanks",
        ),
        (
            "site",
            "_next",
            "https://example.com\\@evil.example/",
            "https://example.com",
            "https://example.com/thanks",
        ),
        ("site", "_next", "//evil.example/", "https://example.com", "https://example.com/thanks"),
        (
            "site",
            "_next",
            "http://example.com/",
            "https://example.com",
            "https://example.com/thanks",
        ),
        (
            "site",
            "_next",
            "javascript:alert(1)",
            "https://example.com",
            "https://example.com/thanks",
        ),
        (
            "site",
            "_next",
            "https://example.com/\r\nSet-Cookie: a=b",
            "https://example.com",
            "https://example.com/thanks",
        ),
        (
            "plain",
            "_next",
            "https://blog.example/ok",
            "https://blog.example",
            "https://blog.example/ok",
        ),
        ("plain", "_next", "/ok", "https://blog.example", "https://blog.example/ok"),
        ("plain", "_next", "https://evil.example/", "https://blog.example", None),
        ("plain", "_next", "https://evil.example/", None, None),
        ("plain", "_next", "https://evil.example/", "null", None),
        ("plain", "_next", "/ok", None, None),
        ("plain", "_next", "/ok", "null", None),
        ("plain", "_next", "javascript:alert(1)", "https://blog.example", None),
    ],
)
def test_a_form_leads_to_allowed_sites_only_and_is_kept_all_the_same(
    web: Bridge, source: str, field: str, url: str, origin: str | None, lands: str | None
) -> None:
    before = web.count()
    answer = send(
        web, source, {"name": "Ann", field: url}, AS_PAGE | ({"Origin": origin} if origin else {})
    )
    assert (answer.status, answer.headers.get("location")) == (
        (303, lands) if lands else (200, None)
    )
    assert "set-cookie" not in answer.headers
    assert web.count() == before + 1
    said = send(
        web, source, {"name": "Ann", field: url}, AS_JSON | ({"Origin": origin} if origin else {})
    )
    assert (said.status, said.json["next"]) == (202, lands)


def test_a_redirect_of_the_referer_alone_is_not_enough_where_any_site_may_send(web: Bridge) -> None:
    answer = send(
        web,
        "plain",
        {"name": "Ann", "_next": "https://a.example/"},
        AS_PAGE | {"Referer": "https://a.example/page"},
    )
    assert answer.status == 200


def test_control_fields_are_in_the_body_and_not_in_the_form(web: Bridge) -> None:
    sent = {
        "name": "Ann",
        "_subject": "Hello",
        "_gotcha": "",
        "form-name": "c",
        "access_key": "k",
        "subject": "s",
        "tags": ["a", "b"],
    }
    answer = send(web, "mails", sent, AS_JSON)
    (delivery,) = web.found(answer.json["event_id"]).deliveries
    assert delivery.inputs["form"] == {"name": "Ann", "tags": ["a", "b"]}
    assert delivery.inputs["subject"] == "Hello"
    assert delivery.inputs["body"] == sent
    assert web.found(answer.json["event_id"]).event.body == urlencode(sent, doseq=True).encode()


# -- pages


def test_the_thank_you_page_says_what_is_configured(web: Bridge) -> None:
    answer = send(web, "contact", {"name": "Ann", "email": "a@b.example"})
    assert answer.status == 200
    is_harmless(answer)
    assert "We have it." in answer.body.decode()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("source", "headers", "link"),
    [
        (
            "contact",
            {"Origin": "https://hooks.example.net"},
            '<a href="../forms/contact">Zurück zum Formular</a>',
        ),
        ("contact", {"Origin": "https://other.example"}, None),
        ("contact", {}, None),
        ("unhosted", {"Origin": "https://hooks.example.net"}, None),
        ("contact/", {"Origin": "https://hooks.example.net"}, None),
        ("site", {"Origin": "https://hooks.example.net"}, None),
    ],
)
def test_the_thanks_lead_back_to_the_hosted_form(
    web: Bridge, source: str, headers: dict[str, str], link: str | None
) -> None:
    page = send(
        web,
        source,
        {"name": "Ann", "email": "a@b.example"},
        AS_PAGE | headers | {"Accept-Language": "de"},
    ).body.decode()
    assert re.findall(r"<a [^>]*>[^<]*</a>", page) == ([link] if link else [])


def test_what_is_wrong_comes_back_with_what_was_typed(web: Bridge) -> None:
    sent = {
        "name": "A",
        "email": "nope",
        "age": "7",
        "topic": "<i>other</i>",
        "tags": ["green"],
        "news": "on",
        "message": "\nTwo\nlines",
        "_next": "https://x.example/",
        "_gotcha": "trapped",
        "utm": "campaign",
    }
    answer = send(web, "contact", sent)
    assert answer.status == 422
    is_harmless(answer)
    page = answer.body.decode()
    assert re.search(
        r'<input id="contact-name"[^>]* value="A" required[^>]* aria-invalid="true">',
        page,
        re.DOTALL,
    )
    assert re.search(r'<input id="contact-age"[^>]* value="7"', page)
    assert '<option value="&lt;i&gt;other&lt;/i&gt;" selected>' in page
    assert re.search(r'value="green" checked', page)
    assert not re.search(r'value="red" checked', page)
    assert re.search(r'name="news" type="checkbox" value="true" checked', page)
    assert ">\n\nTwo\nlines</textarea>" in page.replace("\r", "")
    assert "x.example" not in page  # it is no site that the form may lead to
    assert '<input type="hidden" name="utm" value="campaign">' in page
    assert "trapped" not in page
    for told in (
        "Please enter at least 2 characters.",
        "Please enter an email address, for example name@example.com.",
        "Please enter 18 or more.",
    ):
        assert page.count(told) == 2  # in the summary, and beside the field
    assert 'role="alert" tabindex="-1" autofocus' in page
    assert '<a href="#contact-name">Your name</a>' in page


def test_what_is_no_number_or_date_is_still_there_to_be_mended(web: Bridge) -> None:
    """A browser empties a field for numbers that holds none."""
    page = send(
        web, "contact", {"name": "Ann", "email": "a@b.example", "age": "twelve"}
    ).body.decode()
    assert re.search(
        r'<input id="contact-age" name="age" type="text" inputmode="numeric" value="twelve"', page
    )
    for fine in ("7", "70"):
        page = send(web, "contact", {"name": "Ann", "email": "nope", "age": fine}).body.decode()
        assert re.search(
            rf'<input id="contact-age" name="age" type="number"[^>]* value="{fine}"', page
        )


def test_the_page_that_follows_comes_along_as_a_whole_url(web: Bridge) -> None:
    page = send(
        web,
        "site",
        {"name": "A", "_next": "/ok", "redirect": "x", "_subject": "Hi"},
        AS_PAGE | {"Origin": "https://example.com"},
    )
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.body.decode())
    assert hidden == [("_subject", "Hi"), ("_next", "https://example.com/ok")]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_whatever_was_typed_is_text(web: Bridge, payload: str) -> None:
    everywhere = dict.fromkeys(
        ("name", "email", "message", "tags", payload, "_next", "_language"), payload
    )
    for fields in (everywhere, {"name": "x", payload: [payload, payload], "topic": payload}):
        answer = send(web, "contact", fields)
        assert answer.status == 422
        is_harmless(answer)
        assert answer.headers.keys() <= {
            "server",
            "date",
            "connection",
            "content-type",
            "content-length",
            "content-security-policy",
            "x-frame-options",
            "x-content-type-options",
            "referrer-policy",
            "cache-control",
            "access-control-allow-origin",
            "access-control-expose-headers",
        }
    page = send(web, "contact", {"message": payload}).body.decode()
    (given,) = re.findall(
        r'<textarea id="contact-message"[^>]*>\n(.*?)</textarea>', page, re.DOTALL
    )
    assert unescape(given) == payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_headers_are_hostile_too(web: Bridge, payload: str) -> None:
    one_line = payload.replace("\r", "").replace("\n", "").encode("utf-8").decode("latin-1")
    for name in ("Origin", "Referer", "Accept-Language", "User-Agent", "X-Requested-With"):
        answer = send(web, "contact", {"name": "A"}, AS_PAGE | {name: one_line})
        assert answer.status == 422
        is_harmless(answer)


def test_a_submission_too_large_to_be_shown_is_not(web: Bridge) -> None:
    answer = send(web, "contact", {"name": "A", "message": "x" * 220_000})
    assert answer.status == 422
    assert len(answer.body) < 20_000
    assert "too long to show here" in answer.body.decode()


def test_a_page_of_ones_own_gets_the_fields_as_text(web: Bridge) -> None:
    answer = send(web, "own", {"name": "<b>Ann</b>", "a": "1"})
    assert answer.status == 200
    assert (
        answer.body.decode()
        == "<!doctype html><title>x</title>\n<p>Vielen Dank: &lt;b&gt;Ann&lt;/b&gt; /  / own / de"
    )
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors https://example.com" in policy
    assert "x-frame-options" not in answer.headers


def test_where_ones_own_page_fails_ours_stands_in(web: Bridge) -> None:
    answer = send(web, "own", {"name": "Ann", "fail": "1"})
    assert answer.status == 200
    assert "Ihre Nachricht ist angekommen." in answer.body.decode()
    assert any(line["event"] == "template_failed" and line["source"] == "own" for line in web.log)


def test_a_method_that_is_none_leads_to_the_form(web: Bridge) -> None:
    answer = web.get("/hooks/contact", {"Accept": "text/html"})
    assert answer.status == 405
    assert '<a href="../forms/contact">Open the form</a>' in answer.body.decode()


@pytest.mark.parametrize("path", ["/forms/guarded", "/hooks/guarded"])
def test_a_page_carries_what_tells_bots_from_people(web: Bridge, path: str) -> None:
    """A trap, a token that is good once, and work: its script is ours, and all else stays
    forbidden.
    """
    asked = {"_gotcha": "", "web<site>": "bot", "_token": "old", "altcha": "old", "x": "1"}
    answers = [
        web.get(path) if path.startswith("/forms") else send(web, "guarded", asked)
        for _ in range(2)
    ]
    pages = [answer.body.decode() for answer in answers]
    tokens = [
        re.findall(r'<input type="hidden" name="_token" value="(guarded[^"]+)">', page)
        for page in pages
    ]
    assert len(tokens[0]) == len(tokens[1]) == 1 and tokens[0] != tokens[1]
    for page in pages:
        assert (
            '<input id="guarded-trap" name="web&lt;site&gt;" tabindex="-1" autocomplete="off">'
            in page
        )
        assert '<div data-altcha="../forms/guarded/challenge" hidden></div>' in page
        assert re.findall(r"<script[^>]*>", page) == ['<script src="../forms/altcha.js" defer>']
        assert ">old<" not in page and '"old"' not in page and '"bot"' not in page
    policy = answers[0].headers["content-security-policy"]
    assert "script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none'" in policy
    assert web.get("/forms/guarded/challenge").status == 200
    assert web.get("/forms/altcha.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_a_token_that_was_used_is_said_in_the_persons_language(web: Bridge) -> None:
    (token,) = re.findall(r'name="_token" value="([^"]+)"', web.get("/forms/guarded").body.decode())
    assert send(web, "guarded", {"name": "Ann", "_token": token}).status == 200
    again = send(
        web, "guarded", {"name": "Bob", "_token": token}, AS_PAGE | {"Accept-Language": "de"}
    )
    assert again.status == 409
    page = again.body.decode()
    assert "Dieses Formular wurde bereits gesendet." in page
    assert 'value="Bob"' in page
    assert token not in page


# -- back to the page


@pytest.mark.parametrize(
    ("referer", "lands"),
    [
        (
            "https://example.com/contact?form_error=old&a=1&form_fields=x#top",
            "https://example.com/contact?a=1&form_error=invalid&form_fields=name#top",
        ),
        ("https://example.com/", "https://example.com/?form_error=invalid&form_fields=name"),
        ("https://example.com@evil.example/", None),
        ("https://example.com:444/", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_on_error_back_goes_to_the_page_with_a_code(
    web: Bridge, referer: str | None, lands: str | None
) -> None:
    more = {"Referer": referer} if referer else {}
    answer = send(
        web,
        "back",
        {"age": "1", "evil\r\nX: y": "2"},
        AS_PAGE | {"Origin": "https://example.com"} | more,
    )
    assert (answer.status, answer.headers.get("location")) == (
        (303, lands) if lands else (422, None)
    )
    assert send(web, "back", {}, AS_JSON | {"Origin": "https://example.com"} | more).status == 422


def test_on_error_may_be_a_page(web: Bridge) -> None:
    answer = send(web, "to_page", {"x": "1"})
    assert (answer.status, answer.headers["location"]) == (
        303,
        "https://example.com/contact?a=1&form_error=invalid#form",
    )


def test_a_site_that_may_not_send_is_led_nowhere(web: Bridge) -> None:
    answer = send(
        web,
        "back",
        {"name": "x"},
        AS_PAGE | {"Origin": "https://evil.example", "Referer": "https://example.com/"},
    )
    assert (answer.status, answer.headers.get("location")) == (403, None)


# -- scripts


@pytest.mark.parametrize(
    ("headers", "is_json"),
    [
        ({"Accept": "application/json"}, True),
        ({"Accept": "application/json, text/javascript, */*; q=0.01"}, True),
        ({"Accept": "text/html, application/json;q=0.9"}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": "*/*", "Sec-Fetch-Mode": "cors"}, True),
        ({"Accept": "*/*", "Sec-Fetch-Mode": "navigate"}, False),
        ({"Accept": "text/html", "Sec-Fetch-Mode": "cors"}, False),
        ({"Accept": "*/*", "X-Requested-With": "XMLHttpRequest"}, True),
        ({}, False),
    ],
)
def test_a_script_gets_json(web: Bridge, headers: dict[str, str], is_json: bool) -> None:
    answer = send(
        web, "plain", {"name": "Ann"}, {"Content-Type": AS_PAGE["Content-Type"], **headers}
    )
    assert answer.headers["content-type"] == (
        "application/json" if is_json else "text/html; charset=utf-8"
    )


def test_json_that_is_posted_is_answered_with_json(web: Bridge) -> None:
    answer = send(
        web,
        "contact",
        json.dumps({"name": "A", "email": 1}).encode(),
        {"Content-Type": "application/json", "Accept": "*/*"},
    )
    assert answer.status == 422
    assert set(answer.json["fields"]) == {"name", "email"}


def test_what_is_wrong_is_said_by_field_with_a_code(web: Bridge) -> None:
    answer = send(web, "contact", {"name": "A", "email": ""}, AS_JSON | {"Accept-Language": "es"})
    assert answer.status == 422
    assert answer.json == {
        "ok": False,
        "success": False,
        "error": "invalid",
        "message": "Revise algunas de sus respuestas.",
        "fields": {
            "email": "Rellene este campo.",
            "name": "Escriba al menos 2 caracteres.",
        },
        "errors": [
            {"field": "email", "code": "required", "message": "Rellene este campo."},
            {"field": "name", "code": "too_short", "message": "Escriba al menos 2 caracteres."},
        ],
    }


# -- languages


@pytest.mark.parametrize(
    ("accept", "sentence"),
    [("de", "Bitte füllen Sie"), ("fr-CA", "Veuillez"), ("es", "Rellene"), ("it", "Please fill")],
)
def test_a_page_speaks_the_browsers_language(web: Bridge, accept: str, sentence: str) -> None:
    answer = send(web, "contact", {"name": "Ann"}, AS_PAGE | {"Accept-Language": accept})
    page = answer.body.decode()
    assert sentence in page
    assert f'<html lang="{accept[:2] if accept != "it" else "en"}">' in page


def test_the_form_may_say_its_language(web: Bridge) -> None:
    assert (
        '<html lang="fr">'
        in send(
            web, "contact", {"_language": "fr", "name": "A"}, AS_PAGE | {"Accept-Language": "de"}
        ).body.decode()
    )
    assert "Gracias" in send(web, "plain", {"_language": "es-MX", "name": "A"}).body.decode()


# -- sites


@pytest.mark.parametrize(
    ("headers", "status", "reader"),
    [
        ({"Origin": "https://example.com"}, 202, "https://example.com"),
        (
            {"Origin": "https://example.com", "Referer": "https://evil.example/"},
            202,
            "https://example.com",
        ),
        ({"Origin": "https://evil.example", "Referer": "https://example.com/"}, 403, None),
        ({"Origin": "https://example.com.evil.example"}, 403, None),
        ({"Origin": "http://example.com"}, 403, None),
        ({"Origin": "null"}, 403, None),
        ({"Origin": "null", "Referer": "https://example.com/"}, 403, None),
        ({"Origin": ""}, 403, None),
        ({"Referer": "https://example.com/page?x"}, 202, None),
        ({"Referer": "https://evil.example/page"}, 403, None),
        ({"Referer": "https://example.com@evil.example/"}, 403, None),
        ({"Referer": "about:blank"}, 403, None),
        ({}, 202, None),
        ({"Origin": "https://hooks.example.net"}, 202, None),  # our own pages, by the public URL
        ({"Origin": "http://127.0.0.1"}, 202, None),  # and by the address that was asked
    ],
)
def test_who_may_send_where_sites_are_listed(
    web: Bridge, headers: dict[str, str], status: int, reader: str | None
) -> None:
    answer = send(web, "site", {"name": "Ann"}, AS_JSON | headers)
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (status, reader)
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://anyone.example", "null", None])
def test_without_a_list_every_site_may_send_and_read(web: Bridge, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = send(web, "plain", {"name": "Ann"}, AS_JSON | headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, "*")
    assert "access-control-allow-credentials" not in answer.headers
    asks = {
        "Connection": "close",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-requested-with",
    }
    asked = exchange(web.port, head("OPTIONS", "/hooks/plain", asks | headers))
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "*")
    assert "x-requested-with" in asked.headers["access-control-allow-headers"].lower()


def test_an_error_can_be_read_by_the_script_too(web: Bridge) -> None:
    answer = send(web, "site", {"name": "A"}, AS_JSON | {"Origin": "https://example.com"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (
        422,
        "https://example.com",
    )


# -- the hosted form


def test_the_hosted_form_is_made_from_the_schema(web: Bridge) -> None:
    answer = web.get("/forms/contact", {"Accept-Language": "fr"})
    assert answer.status == 200
    is_harmless(answer)
    page = answer.body.decode()
    assert (
        '<form id="contact" method="post" accept-charset="utf-8" action="../hooks/contact">' in page
    )
    assert "<h1>Write to &lt;us&gt;</h1>" in page
    assert "<p>First.</p>\n  <p>Second.</p>" in page
    assert '<button type="submit">Off it goes</button>' in page
    assert "(facultatif)" in page
    assert 'name="robots"' not in page
    assert answer.headers["content-language"] == "fr"
    # with no-referrer a browser would send Origin: null
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "form-action 'self';" in answer.headers["content-security-policy"]


def test_every_control_has_its_label_and_every_id_is_there_once(web: Bridge) -> None:
    for page in (
        web.get("/forms/contact").body.decode(),
        send(web, "contact", {"name": "A", "a b": "1", "a-b": "2"}).body.decode(),
    ):
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(set(ids)) == len(ids)
        named = [
            one
            for one in re.findall(r"<(?:input|textarea|select)\s[^>]*>", page)
            if 'type="hidden"' not in one
        ]
        labels = set(re.findall(r'<label for="([^"]+)"', page))
        assert {re.search(r'id="([^"]+)"', one)[1] for one in named} == labels  # type: ignore[index]
        for described in re.findall(r'aria-describedby="([^"]+)"', page):
            assert set(described.split()) <= set(ids)
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_a_form_that_leads_elsewhere_may_do_so(web: Bridge) -> None:
    """Browsers hold the redirect after a form to `form-action`, too."""
    assert (
        "form-action 'self' http: https:;"
        in web.get("/forms/site").headers["content-security-policy"]
    )


def test_without_a_schema_the_hosted_form_is_an_example(web: Bridge) -> None:
    page = web.get("/forms/plain", {"Accept-Language": "de"}).body.decode()
    assert re.findall(r' name="([^"]+)"', page) == [
        "viewport",
        "name",
        "email",
        "message",
        "_gotcha",
    ]
    assert ">E-Mail</label>" in page


def test_who_may_frame_the_hosted_form(web: Bridge) -> None:
    answer = web.get("/forms/own")
    assert "frame-ancestors https://example.com" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers


def test_search_engines_are_asked_to_stay_away_where_wanted(web: Bridge) -> None:
    assert '<meta name="robots" content="noindex">' in web.get("/forms/unlisted").body.decode()


@pytest.mark.parametrize(
    "name", ["github", "nothing", "unhosted", "", "contact/x", "%2e%2e", "<script>", "a" * 300]
)
def test_what_is_no_form_is_404(web: Bridge, name: str) -> None:
    answer = web.get(f"/forms/{name}", {"Accept": "text/html"})
    assert answer.status == 404
    assert b"<script" not in answer.body


def test_head_and_other_methods(web: Bridge) -> None:
    answer = exchange(web.port, head("HEAD", "/forms/contact", {"Connection": "close"}))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 1000
    assert web.post("/forms/contact", b"name=A", AS_PAGE).status == 405
    moved = web.get("/forms/contact/")
    assert (moved.status, moved.headers["location"]) == (308, "../contact")


def test_the_hosted_form_has_a_rate_of_its_own(web: Bridge) -> None:
    looks = [web.get("/forms/watched") for _ in range(11)]
    assert [one.status for one in looks] == [200] * 10 + [429]
    assert 0 < int(looks[-1].headers["retry-after"]) <= 360
    challenges = [
        web.get("/forms/watched/challenge", {"Origin": "https://example.com"}) for _ in range(11)
    ]
    assert [one.status for one in challenges] == [200] * 10 + [429]
    assert 0 < int(challenges[-1].headers["retry-after"]) <= 360
    assert challenges[-1].headers["access-control-allow-origin"] == "*"
    # that it was looked at does not count
    assert send(web, "watched", {"name": "Ann"}).status == 200


def test_on_a_private_socket_there_is_no_form(tmp_path: Path) -> None:
    from bridge.config.settings import load_settings
    from bridge.web.listeners import ListenerPaths

    faces = ListenerPaths(
        load_settings({"FLOWBRIDGE_PRIVATE_BIND": "127.0.0.1:8081"}, secrets=False)
    )
    assert faces.serves("/forms/contact", {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080"})
    assert not faces.serves("/forms/contact", {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8081"})


def test_the_query_of_an_error_page_is_ours(web: Bridge) -> None:
    lands = send(web, "to_page", {"x\r\n&form_error=ok": "1"}).headers["location"]
    assert parse_qs(urlsplit(lands).query) == {"a": ["1"], "form_error": ["invalid"]}
