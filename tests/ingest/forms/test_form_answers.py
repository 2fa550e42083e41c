"""What is answered to a form that was read and not taken, whatever it holds: the page that sends it
again.
"""

from __future__ import annotations

import re
from functools import cache, partial
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from forms import MULTIPART, PDF, multipart, part
from growth import check_growth
from hypothesis import given, settings
from hypothesis import strategies as st
from receiving import hooks_of
from werkzeug.test import Client, EnvironBuilder

from bridge.config.loader import check
from bridge.config.settings import load_settings
from bridge.core.errors import FieldFault, Refused
from bridge.core.file_types import FILE_GROUPS, FILE_TYPES
from bridge.core.multipart import parse_parts
from bridge.ingest import forms
from bridge.ingest.forms import parser
from bridge.ingest.forms.translations import texts
from bridge.ingest.forms.validation import accepted_types
from bridge.ingest.ports import files_full
from bridge.routing.form import FileRules
from bridge.routing.model import Config, Source
from bridge.web.forms.field_values import MAX_SHOWN_CHARACTERS, MAX_SHOWN_VALUES
from bridge.web.forms.hidden_fields import AntiSpamFields
from bridge.web.forms.refusals import answer_refused
from bridge.web.forms.render import filled_view
from bridge.web.forms.request import FormRequest

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  plain: {provider: form}
  files: {provider: form, files: true}
  upload: {provider: form, files: true, schema: {required: [name], properties: {name: {type: string}, cv: {type: string, format: binary}}}}
  lists: {provider: form, schema: {required: [a], properties: {a: {}, tags: {type: array, items: {type: string, minLength: 2}}, z: {}}}}
  typed: {provider: form, schema: {properties: {name: {type: string}, n: {type: number}, tags: {type: array, items: {enum: [a, b]}}}}}
"""


@cache
def source(name: str) -> Source:
    with TemporaryDirectory() as folder:
        path = Path(folder, "routes.yaml")
        path.write_text(ROUTES)
        config, _ = check(path, {})
    assert config is not None
    return config.sources[name]


def page_of(
    name: str,
    body: bytes,
    refused: Refused,
    content_type: str = "application/x-www-form-urlencoded",
) -> tuple[int, str]:
    """What a browser is shown where receiving `body` is refused."""
    form = source(name).form
    assert form is not None
    sent = EnvironBuilder(
        "/hooks/x", method="POST", headers={"Accept": "text/html", "Content-Type": content_type}
    ).get_request()
    read = forms.read(form, content_type, body, max_depth=20)
    response = answer_refused(
        refused,
        source(name),
        FormRequest(sent, form, sent=read),
        lambda *_: AntiSpamFields(honeypot="_gotcha"),
    )
    return response.status_code, response.get_data(as_text=True)


class Elements(HTMLParser):
    """The tags of a page, each closed in its order, and what would be sent from its form."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[tuple[str, str]] = []
        self._text: tuple[str, str] | None = None
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_ = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(given_)
        name = given_.get("name")
        if (
            tag == "input"
            and name is not None
            and (given_.get("type") != "checkbox" or "checked" in given_)
        ):
            self.values.append((name, given_.get("value") or ""))
        elif tag == "textarea":
            self._text = (name or "", "")
        if tag not in ("input", "meta", "link"):
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text = (self._text[0], self._text[1] + data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "textarea" and self._text is not None:
            self.values.append((self._text[0], self._text[1].removeprefix("\n")))
            self._text = None


STORE = Refused(
    503,
    "store_failed",
    "the event could not be stored; send it again",
    headers={"Retry-After": "5"},
)
_TAGS = (
    "html head meta title style body main h1 h2 div p ul li a form label small input textarea"
    " select option fieldset legend button"
)
TAGS = set(_TAGS.split())


def test_without_a_schema_the_fields_that_came_are_sent_again() -> None:
    sent = [
        ("name", "Ann <b>"),
        ("text", "two\nlines"),
        ("tag", "x"),
        ("tag", "y"),
        ("_next", "https://a.example/"),
        ("_subject", "Hi"),
        ("_gotcha", "bot"),
        ("empty", ""),
        ("h-captcha-response", "token"),
    ]
    status, page = page_of("plain", urlencode(sent).encode(), STORE)
    assert status == 503
    assert "Your message could not be saved. Please try again." in page
    assert Elements(page).values == [
        ("_subject", "Hi"),
        ("name", "Ann <b>"),
        ("text", "two\nlines"),
        ("tag", "x"),
        ("tag", "y"),
        ("empty", ""),
        ("_gotcha", ""),
    ]


def test_without_a_schema_fields_are_asked_for_by_their_names() -> None:
    sent = [
        ("first_name", "Ann"),
        ("message", "short"),
        ("note", "x" * 300),
        ("phone", ""),
        ("tag[]", "x"),
        ("tag[]", "y"),
    ]
    _, page = page_of("plain", urlencode(sent).encode(), STORE)
    labels = [
        text.strip() for text in re.findall(r"<(?:label for=\"[^\"]+\"|legend)>([^<]+)<", page)
    ]
    assert labels[:5] == ["First name", "Message", "Note", "Phone", "Tag"]
    assert re.findall(r'<textarea [^>]*name="([^"]+)"', page) == ["message", "note"]
    assert re.search(r'name="phone" type="tel" autocomplete="tel">', page), (
        "what was left empty may stay so"
    )
    assert re.search(
        r'name="first_name" type="text" autocomplete="given-name" value="Ann" required>', page
    )


def test_what_a_script_typed_is_shown_as_a_form_has_it() -> None:
    sent = orjson.dumps(
        {
            "name": 5,
            "n": 1.5,
            "tags": ["b", 3],
            "deep": {"a": [1]},
            "yes": True,
            "none": None,
            "list": [1, [2], {"x": 1}],
        }
    )
    _, page = page_of(
        "typed",
        sent,
        Refused(422, "invalid", "x", fields={"n": FieldFault("wrong")}),
        "application/json",
    )
    assert Elements(page).values == [
        ("yes", "true"),
        ("list", "1"),
        ("name", "5"),
        ("n", "1.5"),
        ("tags", "b"),
        ("_gotcha", ""),
    ]
    assert '<p class="error" id="typed-n-error">Please check this answer.</p>' in page


@pytest.mark.parametrize("status", [401, 403, 404, 405, 413])
def test_what_sending_again_would_not_mend_is_not_offered_again(status: int) -> None:
    found, page = page_of("plain", b"name=Ann", Refused(status, "some_code", "it is refused"))
    assert found == status
    assert "<form" not in page
    assert "It is refused." in page


def test_a_file_is_asked_for_again_and_never_filled_in() -> None:
    body = multipart(
        part("name", b"Ann"), part("cv", PDF, "secret-name.pdf"), part("cv", PDF, "b.pdf")
    )
    fault = Refused(
        413,
        "too_large",
        "x",
        fields={"cv": FieldFault("file_too_large", limit="2 MiB", names=("secret-name.pdf",))},
    )
    status, page = page_of("files", body, fault, MULTIPART)
    assert (status, page.count('type="file"')) == (413, 1)
    assert re.search(r'type="file"[^>]* accept="[^"]*\.pdf,', page), (
        "the dialog of a browser shows what is allowed"
    )
    assert 'enctype="multipart/form-data"' in page and "Please select your files again." in page
    assert "secret-name.pdf is too large. The maximum size is 2 MiB." in page
    assert Elements(page).values == [("name", "Ann"), ("cv", ""), ("_gotcha", "")]
    _, page = page_of("files", body, files_full(), MULTIPART)
    assert 'type="file"' in page and "Please select your files again." not in page, (
        "that would be refused again"
    )
    _, page = page_of("plain", body, Refused(415, "files_not_supported", "x"), MULTIPART)
    assert 'type="file"' not in page and "This form does not accept files." in page


def test_files_are_asked_for_again_only_where_one_was_chosen() -> None:
    fault = Refused(422, "invalid", "x", fields={"name": FieldFault("required")})
    for content, name, is_asked in ((PDF, "cv.pdf", True), (b"", "", False)):
        _, page = page_of(
            "upload", multipart(part("name", b""), part("cv", content, name)), fault, MULTIPART
        )
        assert 'type="file"' in page and ("Please select your files again." in page) is is_asked


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "cv.exe: this file type is not allowed. Allowed: images, PDF, documents, .csv.",
        ),
        (
            "de",
            (
                "cv.exe: Dieser Dateityp ist nicht erlaubt. Erlaubt sind: Bilder, PDF,"
                " Dokumente, .csv."
            ),
        ),
        (
            "fr",
            (
                "cv.exe : ce type de fichier n’est pas autorisé. Types autorisés : images, PDF, documents,"
                " .csv."
            ),
        ),
        (
            "es",
            (
                "cv.exe: este tipo de archivo no está permitido. Tipos permitidos: imágenes, PDF, documentos,"
                " .csv."
            ),
        ),
    ],
)
def test_a_refused_type_of_file_is_said_in_words(language: str, said: str) -> None:
    allowed = frozenset(
        row.name for row in FILE_TYPES.values() if row.group in ("image", "pdf", "document")
    ) | {"csv"}
    assert (
        texts.describe_fault(
            language,
            FieldFault(
                "file_type", limit=accepted_types(FileRules(types=allowed)), names=("cv.exe",)
            ),
        )
        == said
    )


def test_every_group_of_files_has_a_word_in_each_language() -> None:
    for words in texts.LANGUAGES.values():
        assert {f"files_{group}" for group in FILE_GROUPS} <= set(words)


def test_each_of_several_texts_of_one_name_comes_back() -> None:
    faults = {"tags": FieldFault("too_short", limit=2), "a": FieldFault("required")}
    _, page = page_of(
        "lists", b"tags=one&tags=&tags=y&z=1&z=2", Refused(422, "invalid", "x", fields=faults)
    )
    assert Elements(page).values == [
        ("a", ""),
        ("tags", "one"),
        ("tags", "y"),
        ("z", "1"),
        ("z", "2"),
        ("_gotcha", ""),
    ]
    ids = re.findall(r'<input id="(lists-[^"]+)"', page)
    assert len(set(ids)) == len(ids) == 6
    assert re.findall(r'<a href="#(lists-[^"]+)"', page) == [
        "lists-a",
        "lists-tags",
    ], "the first of them, in the order of the form"


def test_too_much_is_not_shown_again() -> None:
    for body in (
        b"a=" + b"x" * (MAX_SHOWN_CHARACTERS + 1),
        b"&".join(b"f%d=" % n for n in range(300)),
    ):
        _, page = page_of("plain", body, STORE)
        assert "<form" not in page
        assert len(page) < 10_000


def test_a_fault_of_a_field_that_is_not_asked_for_is_in_the_summary() -> None:
    odd = FieldFault("unknown_fields", names=("<b>",))
    faults = {"": FieldFault("wrong"), "<x>": odd, "n": FieldFault("no_number")}
    _, page = page_of("typed", b"n=x", Refused(422, "invalid", "x", fields=faults))
    items = re.findall(r"<li>(.*?)</li>", page)
    assert items == [
        '<a href="#typed-n">N</a>: Please enter a number, for example 3.5.',
        "Form: Please check this answer.",
        "&lt;x&gt;: This form has no such field: &lt;b&gt;.",
    ]


_HOSTILE = [
    "<script>x</script>",
    '"><img src=x onerror=y>',
    "</textarea>",
    "</title>",
    "<!--",
    "]]>",
    "' onclick='",
    "&#x22;&gt;",
    "{{x}}",
]
_texts = st.text(max_size=30) | st.sampled_from([*_HOSTILE, "\r\n\r\n"])
_values = (
    _texts | st.lists(_texts, max_size=3) | st.integers(-(2**63), 2**63) | st.booleans() | st.none()
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(_texts, _values, max_size=5), st.booleans())
def test_whatever_was_sent_the_page_is_ours(sent: dict[str, Any], typed: bool) -> None:
    """Its tags and attributes are those of our templates, closed in their order; what was sent
    comes back as what it was.
    """
    faults = {name: FieldFault("unknown_fields", names=(name,)) for name in sent}
    body = orjson.dumps(sent)
    _, page = page_of(
        "typed" if typed else "plain",
        body,
        Refused(422, "invalid", "x", fields=faults),
        "application/json",
    )
    found = Elements(page)
    assert found.tags <= TAGS
    assert not [name for name in found.attributes if name.startswith("on") or name == "src"]
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title is not None
    assert "<" not in unescape(title[1])


def test_a_page_takes_time_that_grows_with_what_was_sent() -> None:
    """Of a field for one text each value that came is shown in a field of its own."""
    form = source("typed").form
    assert form is not None

    def show(count: int) -> None:
        filled_view(source("typed"), form, "en", {"name": ["a"] * count}, {}, AntiSpamFields())

    check_growth(lambda count: partial(show, count), 250)


def test_what_has_too_many_values_to_be_shown_is_not() -> None:
    for count, is_shown in ((MAX_SHOWN_VALUES, True), (MAX_SHOWN_VALUES + 1, False)):
        fault = Refused(422, "invalid", "x", fields={"name": FieldFault("wrong")})
        _, page = page_of(
            "typed", orjson.dumps({"name": ["zz"] * count}), fault, "application/json"
        )
        assert (page.count('value="zz"'), "too long to show" in page) == (
            (count, False) if is_shown else (0, True)
        )


def test_a_submission_is_read_once_also_where_a_page_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = source("typed")
    config = Config(
        sources={given.name: given}, routes=(), flows={}, platforms={}, hash="", canonical=""
    )
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})
    hooks = hooks_of(settings, lambda: config)
    read: list[int] = []
    monkeypatch.setattr(
        parser,
        "parse_parts",
        lambda raw, boundary: read.append(len(raw)) or parse_parts(raw, boundary),
    )
    body = multipart(part("name", b"Ann"), part("n", b"many"))
    answered = Client(hooks).post(
        "/hooks/typed", data=body, headers={"Content-Type": MULTIPART, "Accept": "text/html"}
    )
    assert (
        answered.status_code == 422
        and 'value="Ann"' in answered.text
        and 'value="many"' in answered.text
    )
    assert read == [len(body)]
