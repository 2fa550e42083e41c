"""What a form was sent with: every way to send one, the charset that it says, names that nest, and
limits that say so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
import requests
from forms import BOUNDARY, MULTIPART, PDF, PNG, URLENCODED, multipart, part
from growth import CACHED_BYTES, Work, check_growth
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import FieldFault, Refused
from bridge.ingest import forms
from bridge.ingest.forms.charsets import CODECS
from bridge.ingest.forms.nesting import MAX_NESTING, gather_fields
from bridge.ingest.forms.translations import texts
from bridge.routing.form import FieldRules, FileRules, Form
from bridge.routing.schemas.validator import compile_schema

PLAIN = "text/plain"
FORM = Form()
NESTED = Form(fields=FieldRules(nested=True))
FILES = Form(files=FileRules(types=frozenset({"png", "pdf", "txt"}), max=3, max_size=1000))


def fields(content_type: str, raw: bytes, form: Form = FORM) -> dict[str, Any]:
    sent = forms.read(form, content_type, raw, max_depth=20)
    forms.check(form, sent)
    return forms.take(form, sent)[1].value


def words(error: Refused) -> dict[str, str]:
    return {name: texts.describe_fault("en", fault) for name, fault in error.fields.items()}


def refused(content_type: str, raw: bytes, form: Form = FORM) -> Refused:
    with pytest.raises(Refused) as caught:
        fields(content_type, raw, form)
    return caught.value


# -- ways to send


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (URLENCODED, b"name=Zo%C3%AB+B&tag=a&tag=b&empty="),
        (f"{URLENCODED}; charset=UTF-8", "name=Zoë B&tag=a&tag=b&empty=".encode()),
        (
            MULTIPART,
            multipart(
                part("name", "Zoë B".encode()),
                part("tag", b"a"),
                part("tag", b"b"),
                part("empty", b""),
            ),
        ),
        ("application/json", '{"name": "Zoë B", "tag": ["a", "b"], "empty": ""}'.encode()),
        (
            "application/json; charset=iso-8859-1",
            '{"name": "Zoë B", "tag": ["a", "b"], "empty": ""}'.encode("latin-1"),
        ),
        ("application/ld+json", b'{"name": "Zo\\u00eb B", "tag": ["a", "b"], "empty": ""}'),
        ("text/plain;charset=UTF-8", '{"name": "Zoë B", "tag": ["a", "b"], "empty": ""}'.encode()),
        (PLAIN, "name=Zoë B\r\ntag=a\r\ntag=b\r\nempty=\r\n".encode()),
        (f"{PLAIN}; charset=iso-8859-1", "name=Zoë B\ntag=a\ntag=b\nempty=".encode("latin-1")),
    ],
    ids=[
        "urlencoded",
        "raw UTF-8",
        "multipart",
        "JSON",
        "JSON in Latin-1",
        "+json",
        "JSON of a simple fetch",
        "text/plain",
        "in Latin-1",
    ],
)
def test_every_way_to_send_gives_the_same(content_type: str, raw: bytes) -> None:
    assert fields(content_type, raw) == {"name": "Zoë B", "tag": ["a", "b"], "empty": ""}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"a&b=2", {"a": "", "b": "2"}),
        (b"a=%zz&b=100%", {"a": "%zz", "b": "100%"}),
        (b"=1&b=2", {"b": "2"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a%26b=%3D", {"a&b": "="}),
        (b"a=x%00y", {"a": "x\0y"}),
    ],
)
def test_urlencoded_as_browsers_and_other_servers_read_it(
    raw: bytes, expected: dict[str, str]
) -> None:
    assert fields(URLENCODED, raw) == expected


def test_a_value_of_several_lines_in_text_plain_goes_on() -> None:
    assert fields(PLAIN, b"message=one\r\ntwo\r\n\r\nthree\r\nname=Ann\r\n") == {
        "message": "one\r\ntwo\r\n\r\nthree",
        "name": "Ann",
    }


@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "text/xml", "multipart/mixed; boundary=b", "nonsense"],
)
def test_another_type_is_415_and_says_which_there_are(content_type: str) -> None:
    error = refused(content_type, b"a=1")
    assert (error.status, error.code) == (415, "unknown_type")
    assert "multipart/form-data" in error.message


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("application/json", b"[1]"),
        ("application/json", b"{"),
        ("application/json", b'{"a": ' * 30),
        ("", b"a=1"),
        (PLAIN, b"no field at all"),
        ("multipart/form-data", b"--b--"),
        (MULTIPART, b""),
        (MULTIPART, multipart(part("a", b"1"))[:-9]),
        ("multipart/form-data; boundary=\xff\xfe", b"--b--"),
    ],
)
def test_what_cannot_be_read_is_400(content_type: str, raw: bytes) -> None:
    assert refused(content_type, raw).status == 400


# -- charsets


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("windows-1252", "cp1252", "Zoë €"),
        ("ISO-8859-1", "cp1252", "Zoë"),
        ("Shift_JIS", "cp932", "ソ表"),
        ("KOI8-R", "koi8-r", "Привет"),
        ("gbk", "gb18030", "你好"),
        ("euc-kr", "cp949", "안녕"),
        ("iso-8859-15", "iso8859-15", "€"),
        ("utf8", "utf-8", "✓"),
    ],
)
def test_the_charset_is_the_one_that_is_said(label: str, codec: str, text: str) -> None:
    raw = text.encode(codec)
    quoted = quote_plus(raw)
    assert fields(f"{URLENCODED}; charset={label}", f"a={quoted}&{quoted}=b".encode()) == {
        "a": text,
        text: "b",
    }
    assert fields(URLENCODED, f"_charset_={label}&a={quoted}".encode()) == {"a": text}
    assert fields(
        MULTIPART, multipart(part("_charset_", label.encode()), part(text, raw, encoding=codec))
    ) == {text: text}
    assert fields(MULTIPART, multipart(part("a", raw, kind=f"text/plain; charset={label}"))) == {
        "a": text
    }


def test_a_browser_that_leaves_the_charset_empty_means_utf_8() -> None:
    assert fields(URLENCODED, b"_charset_=&a=%C3%AB") == {"a": "ë"}


def test_a_page_that_says_no_charset_sends_windows_1252() -> None:
    """And the browser does not say so. What is UTF-8 is taken for nothing else."""
    assert fields(URLENCODED, b"name=Zo%EB&price=5%80") == {"name": "Zoë", "price": "5€"}
    assert fields(
        MULTIPART, multipart(part("Größe", "Zoë".encode("cp1252"), encoding="cp1252"))
    ) == {"Größe": "Zoë"}
    sent = fields(MULTIPART, multipart(part("cv", PDF, "Zoës.pdf", encoding="cp1252")), FILES)
    assert sent["cv"]["name"] == "Zoës.pdf"
    mixed = multipart(
        part("a", "ソ".encode("cp932"), kind="text/plain; charset=shift_jis"),
        part("b", "ë".encode()),
    )
    assert fields(MULTIPART, mixed) == {"a": "ソ", "b": "ë"}


@pytest.mark.parametrize(
    "label",
    [
        "utf-7",
        "zip",
        "rot13",
        "unicode_escape",
        "idna",
        "utf-16",
        "cp037",
        "punycode",
        "\0",
        "x" * 1000,
    ],
)
def test_a_charset_that_browsers_do_not_know_is_415(label: str) -> None:
    for content_type, raw in (
        (f'{URLENCODED}; charset="{label}"', b"a=1"),
        (URLENCODED, f"_charset_={quote_plus(label)}&a=1".encode()),
        (MULTIPART, multipart(part("_charset_", label.encode()), part("a", b"1"))),
    ):
        error = refused(content_type, raw)
        assert (error.status, error.code) == (415, "unknown_charset")
        assert label not in error.message


def test_bytes_that_are_not_in_the_charset_are_400_and_say_where() -> None:
    for content_type, raw in (
        (f"{URLENCODED}; charset=utf-8", b"name=Ann&a=%ff"),
        (URLENCODED, b"_charset_=UTF-8&name=Ann&a=%ff"),
        (URLENCODED, b"name=Ann&a=%81"),
        (MULTIPART, multipart(part("name", b"Ann"), part("a", b"\x81"))),
        (MULTIPART, multipart(part("_charset_", b"utf-8"), part("a", b"\xff"))),
        (PLAIN, b"name=Ann\na=\x81"),
        (f"{URLENCODED}; charset=windows-1252", b"a=%81"),
    ):
        error = refused(content_type, raw)
        assert (error.status, set(error.fields)) == (400, {"a"})
    assert refused(URLENCODED, b"%81=1").status == 400
    assert (
        refused(
            MULTIPART, multipart(part("_charset_", b"utf-8"), part("é", b"1", encoding="latin-1"))
        ).status
        == 400
    )


def test_every_codec_is_one_of_texts() -> None:
    assert {"é".encode(codec, "replace").decode(codec) for codec in CODECS.values()} <= {
        "é",
        "?",
        "e",
    }


# -- names


ODD = ("a[b", "a]b", "[a]", "a[b]c", "[]", "a[b[c]]")  # names that do not nest


@pytest.mark.parametrize(
    ("pairs", "flat", "nested"),
    [
        ([("a[]", "1")], {"a": ["1"]}, {"a": ["1"]}),
        ([("a[]", "1"), ("a", "2")], {"a": ["1", "2"]}, {"a": ["1", "2"]}),
        ([("a[b]", "1"), ("a[c]", "2")], {"a[b]": "1", "a[c]": "2"}, {"a": {"b": "1", "c": "2"}}),
        ([("a[b][]", "1")], {"a[b]": ["1"]}, {"a": {"b": ["1"]}}),
        ([("a[b][c]", "1")], {"a[b][c]": "1"}, {"a": {"b": {"c": "1"}}}),
        (
            [("a[1][x]", "2"), ("a[0][x]", "1")],
            {"a[1][x]": "2", "a[0][x]": "1"},
            {"a": [{"x": "1"}, {"x": "2"}]},
        ),
        ([("a[2]", "1")], {"a[2]": "1"}, {"a": {"2": "1"}}),
        ([(name, "1") for name in ODD], dict.fromkeys(ODD, "1"), dict.fromkeys(ODD, "1")),
        ([("__proto__[x]", "1")], {"__proto__[x]": "1"}, {"__proto__": {"x": "1"}}),
    ],
)
def test_names_that_nest(
    pairs: list[tuple[str, str]], flat: dict[str, Any], nested: dict[str, Any]
) -> None:
    assert gather_fields(pairs, nested=False) == flat
    assert gather_fields(pairs, nested=True) == nested
    assert fields(URLENCODED, urlencode(pairs).encode(), NESTED) == nested


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "1"), ("a", "2")],
        [("a[b]", "1"), ("a[b][c]", "2")],
        [("a[][b]", "1")],
        [("a" + "[b]" * MAX_NESTING, "1")],
        [("a" + "[b]" * 1000, "1")],
        [("a" * 201, "1")],
    ],
)
def test_names_that_contradict_each_other_or_nest_too_deep_are_422(
    pairs: list[tuple[str, str]],
) -> None:
    error = refused(URLENCODED, urlencode(pairs).encode(), NESTED)
    assert (error.status, len(error.fields)) == (422, 1)
    assert all(len(name) <= 60 for name in error.fields)


def test_the_deepest_name_that_is_allowed() -> None:
    assert fields(URLENCODED, f"a{'[b]' * (MAX_NESTING - 1)}=1".encode(), NESTED)


# -- limits


def test_too_many_fields_are_413_before_they_are_read() -> None:
    form = Form(fields=FieldRules(max=3))
    for content_type, raw in (
        (URLENCODED, b"&".join([b"a=1"] * 4)),
        (PLAIN, b"\n".join([b"a=1"] * 4)),
        (MULTIPART, multipart(*[part("a", b"1")] * 4)),
        ("application/json", b'{"a": 1, "b": 2, "c": 3, "d": 4}'),
    ):
        error = refused(content_type, raw, form)
        assert (error.status, error.code) == (413, "too_many_fields")
    assert fields(URLENCODED, b"a=1&a=2&a=3&", form) == {"a": ["1", "2", "3"]}
    assert len(fields(URLENCODED, b"&".join([b"a=1"] * 1000))["a"]) == 1000


@pytest.mark.parametrize(
    ("content_type", "body", "size"),
    [
        (URLENCODED, lambda size: b"a&" * size, CACHED_BYTES // 2),
        (PLAIN, lambda size: b"a=\n" * size, CACHED_BYTES // 3),
        (MULTIPART, lambda size: multipart(*[part("a", b"")] * size), 10_000),
    ],
)
def test_the_time_to_refuse_too_many_fields_grows_with_the_body_only(
    content_type: str, body: Callable[[int], bytes], size: int
) -> None:
    def prepare(size: int) -> Work:
        raw = body(size)
        assert refused(content_type, raw).status == 413
        return lambda: refused(content_type, raw)

    check_growth(prepare, size)


def test_a_field_that_is_too_long_is_413_by_name() -> None:
    form = Form(fields=FieldRules(max_length=10))
    for raw in (b"a=" + b"x" * 11, b"b=1&a=2&a=" + b"x" * 11):
        error = refused(URLENCODED, raw, form)
        assert (error.status, words(error)) == (413, {"a": "Please enter at most 10 characters."})
    assert refused("application/json", b'{"a": {"b": ["12345678901"]}}', form).status == 413
    assert fields(URLENCODED, b"a=%C3%AB" + b"x" * 9, form)


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (URLENCODED, b""),
        (URLENCODED, b"a=&b=+++&c"),
        (URLENCODED, b"_next=https%3A%2F%2Fexample.com&_subject=Hi&form-name=contact&name="),
        (MULTIPART, multipart()),
        (MULTIPART, multipart(part("a", b" \r\n"), part("cv", b"", ""))),
        ("application/json", b"{}"),
        ("application/json", b'{"a": null, "b": "", "c": [], "d": {"e": " "}}'),
        (PLAIN, b""),
    ],
)
def test_a_form_in_which_nothing_was_filled_in_is_422(content_type: str, raw: bytes) -> None:
    error = refused(content_type, raw)
    assert (error.status, error.code) == (422, "empty")


@pytest.mark.parametrize("raw", [b'{"a": 0}', b'{"a": false}', b'{"a": ["x"]}', b'{"a": {"b": 1}}'])
def test_what_is_no_text_is_content(raw: bytes) -> None:
    assert fields("application/json", raw) == json.loads(raw)


def test_an_email_for_a_newsletter_is_enough() -> None:
    assert fields(URLENCODED, b"_replyto=ann%40example.com") == {"_replyto": "ann@example.com"}
    assert (
        refused(URLENCODED, b"_subject=Hello&_next=https%3A%2F%2Fexample.com&_gotcha=").code
        == "empty"
    )


# -- files


def test_a_form_takes_no_files_unless_it_says_so() -> None:
    error = refused(MULTIPART, multipart(part("name", b"Ann"), part("cv", PDF, "cv.pdf")))
    assert (error.status, error.code) == (415, "files_not_supported") and "'cv'" in error.message
    assert fields(MULTIPART, multipart(part("name", b"Ann"), part("cv", b"", ""))) == {
        "name": "Ann"
    }, "an input in which nothing was chosen"


@pytest.mark.parametrize(
    ("filename", "content", "status", "says"),
    [
        ("big.png", PNG + b"x" * 1000, 413, "1000 bytes"),
        (
            "a.svg",
            b"<svg onload=alert(1)>",
            415,
            "this file type is not allowed. Allowed: .png, PDF, .txt.",
        ),
        ("a.png", b"<svg onload=alert(1)>", 415, "Allowed: "),
        ("a.txt", b"<script>alert(1)</script>", 415, "Allowed: "),
        ("a.html", b"hello", 415, "Allowed: "),
        ("cv.pdf.exe", PDF, 415, "Allowed: "),
        ("cv.pdf", b"MZ\x90\0", 415, "Allowed: "),
        ("cv.pdf", b"\0\1\2", 415, "Allowed: "),
        ("a.gif", b"GIF89a", 415, "Allowed: "),
    ],
)
def test_a_file_that_is_not_allowed_is_said_by_field(
    filename: str, content: bytes, status: int, says: str
) -> None:
    error = refused(
        MULTIPART,
        multipart(part("name", b"Ann"), part("cv", content, filename, "image/png")),
        FILES,
    )
    assert (error.status, set(error.fields)) == (status, {"cv"})
    assert filename in words(error)["cv"] and says in words(error)["cv"]


@pytest.mark.parametrize(
    ("filename", "content"),
    [("a.PNG", PNG), ("blob", PNG), ("cv.png", PDF), ("n.log", b"text"), ("", PDF)],
)
def test_a_file_that_is_allowed_may_be_called_as_any_of_those_are(
    filename: str, content: bytes
) -> None:
    assert fields(MULTIPART, multipart(part("cv", content, filename)), FILES)["cv"]["size"] == len(
        content
    )


def test_what_the_table_does_not_know_is_allowed_by_extension_unless_a_browser_would_run_it() -> (
    None
):
    form = Form(files=FileRules(extensions=frozenset({"dwg"})))
    assert (
        fields(MULTIPART, multipart(part("cv", b"AC1032\0", "a.dwg")), form)["cv"]["type"]
        == "application/octet-stream"
    )
    assert refused(MULTIPART, multipart(part("cv", b"<html>", "a.dwg")), form).status == 415
    assert refused(MULTIPART, multipart(part("cv", b"AC1032\0", "a.dwf")), form).status == 415
    assert (
        fields(
            MULTIPART, multipart(part("cv", b"MZ\0", "a.exe")), Form(files=FileRules(types=None))
        )["cv"]["name"]
        == "a.exe"
    )


def test_too_many_files_and_several_faults_at_once() -> None:
    many = multipart(*[part("cv", PDF, f"{number}.pdf") for number in range(4)])
    assert refused(MULTIPART, many, FILES).status == 413
    assert words(refused(MULTIPART, many, FILES)) == {"cv": "Please select at most 3 files."}
    error = refused(
        MULTIPART,
        multipart(part("a", PNG + b"x" * 1000, "a.png"), part("b", b"GIF89a", "b.gif")),
        FILES,
    )
    assert (error.status, set(error.fields)) == (422, {"a", "b"})
    required = Form(files=replace(FILES.files or FileRules(), required=("cv", "photo")))
    error = refused(MULTIPART, multipart(part("cv", PDF, "cv.pdf")), required)
    assert (error.status, error.fields) == (422, {"photo": FieldFault("required")})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("cv.pdf", "Please select a file"),
        ("", "Please fill out this field."),
        (None, "Please fill out this field."),
    ],
)
def test_a_form_without_the_enctype_for_files_is_told_so_where_one_is_required(
    value: str | None, says: str
) -> None:
    rules = replace(FILES.files or FileRules(), required=("cv",))
    document = {"type": "object", "properties": {"cv": {"type": "string", "format": "binary"}}}
    raw = urlencode({"name": "Ada"} | ({} if value is None else {"cv": value})).encode()
    for form in (
        Form(files=rules),
        Form(files=rules, schema=compile_schema(document), schema_document=document),
    ):
        error = refused(URLENCODED, raw, form)
        assert error.status == 422 and says in words(error)["cv"]


def with_schema(**properties: Any) -> Form:
    document = {"type": "object", "required": ["cv"], "properties": properties}
    return Form(files=FILES.files, schema=compile_schema(document), schema_document=document)


def test_to_a_schema_a_file_is_the_text_of_its_name() -> None:
    form = with_schema(
        cv={"type": "string", "format": "binary", "pattern": r"\.pdf$"}, age={"type": "integer"}
    )
    read = fields(MULTIPART, multipart(part("age", b"3"), part("cv", PDF, "cv.pdf")), form)
    assert (read["age"], read["cv"]["name"]) == (3, "cv.pdf")
    assert set(refused(MULTIPART, multipart(part("cv", PNG, "a.png")), form).fields) == {"cv"}
    assert refused(MULTIPART, multipart(part("age", b"3")), form).fields == {
        "cv": FieldFault("required")
    }
    many = with_schema(
        cv={"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 2}
    )
    assert [
        one["name"] for one in fields(MULTIPART, multipart(part("cv", PDF, "cv.pdf")), many)["cv"]
    ] == ["cv.pdf"]
    assert refused(MULTIPART, multipart(*[part("cv", PDF, "cv.pdf")] * 3), many).status == 422


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (URLENCODED, b"cv=other.pdf"),
        (MULTIPART, multipart(part("cv", b"other.pdf"))),
        (MULTIPART, multipart(part("cv", b"other.pdf"), part("cv", PDF, "cv.pdf"))),
        ("application/json", b'{"cv": "other.pdf"}'),
        (
            "application/json",
            b'{"cv": {"field": "cv", "name": "a", "type": "t", "size": 1, "sha256": "0"}}',
        ),
    ],
)
def test_a_text_is_not_taken_for_a_file_where_the_schema_wants_one(
    content_type: str, raw: bytes
) -> None:
    error = refused(content_type, raw, with_schema(cv={"type": "string", "format": "binary"}))
    assert error.status == 422 and "enctype" in words(error)["cv"]


def test_an_empty_text_where_a_file_could_be_is_nothing() -> None:
    document = {"type": "object", "properties": {"cv": {"type": "string", "format": "binary"}}}
    form = Form(schema=compile_schema(document), schema_document=document, files=FileRules())
    assert fields(URLENCODED, b"name=Ann&cv=", form) == {"name": "Ann"}


def test_nested_fields_are_typed_by_nested_schemas() -> None:
    rows = {
        "type": "array",
        "items": {"type": "object", "properties": {"qty": {"type": "integer"}}},
    }
    document = {
        "type": "object",
        "properties": {
            "rows": rows,
            "address": {"type": "object", "properties": {"number": {"type": "integer"}}},
        },
    }
    form = replace(NESTED, schema=compile_schema(document), schema_document=document)
    sent = b"rows[0][qty]=1&rows[1][qty]=2&address[number]=7&address[street]=x"
    assert fields(URLENCODED, sent, form) == {
        "rows": [{"qty": 1}, {"qty": 2}],
        "address": {"number": 7, "street": "x"},
    }


# -- read again


def test_a_body_that_is_kept_without_its_files_says_the_same_again() -> None:
    kept: list[bytes] = []
    raw = multipart(
        part("name", "Zoë".encode()),
        part("docs[]", PDF, "../cv.pdf"),
        part("docs[]", b"", ""),
        part("photo", PNG, ""),
        part("photo", b"x"),
    )

    def keep(content: memoryview) -> str:
        kept.append(bytes(content))
        return forms.digest(content)

    sent = forms.read(FILES, MULTIPART, raw, max_depth=20)
    body, said = forms.take(FILES, sent)
    forms.keep(sent, keep)
    assert kept == [PDF, PNG] and PDF not in body and PNG not in body and b"Zo" in body
    assert [(one.field, one.name, one.type, one.size) for one in said.files] == [
        ("docs", "cv.pdf", "application/pdf", len(PDF)),
        ("photo", "file", "image/png", len(PNG)),
    ]
    assert said.value["docs"][0]["sha256"] == said.files[0].sha256 and said.value["photo"][1] == "x"
    assert forms.body_of(FILES, MULTIPART, body, said.files, max_depth=20) == said
    assert forms.body_of(FILES, MULTIPART, body, (), max_depth=20).value == {
        "name": "Zoë",
        "docs": [],
        "photo": ["x"],
    }, "the files are gone"
    assert forms.body_of(FILES, MULTIPART, b"", said.files, max_depth=20).problem is not None


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\%[]"),
    min_size=1,
    max_size=20,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ANY = Form(files=FileRules(types=None, max=50))


@given(
    st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, min_size=2, max_size=3), max_size=6),
    st.lists(st.tuples(NAMES, st.binary(max_size=60), NAMES), max_size=4),
)
@settings(deadline=None)
def test_what_requests_sends_is_read_as_it_was_and_again(
    data: dict[str, Any], files: list[tuple[str, bytes, str]]
) -> None:
    data.pop("_charset_", None)
    files = [
        (f"f {name}", content, filename)
        for name, content, filename in files
        if f"f {name}" not in data
    ]
    made = requests.Request(
        "POST",
        "http://127.0.0.1/",
        data=data,
        files=[(name, (filename, content)) for name, content, filename in files],
    )
    prepared = made.prepare()
    raw = prepared.body or b""
    raw = raw.encode() if isinstance(raw, str) else raw
    content_type = prepared.headers.get("Content-Type", URLENCODED)
    sent = forms.read(ANY, content_type, raw, max_depth=20)
    assert [(one.field, bytes(sent.content(one))) for one in sent.uploads] == [
        (name, content) for name, content, _ in files
    ]
    body, said = forms.take(ANY, sent)
    assert {name: value for name, value in said.value.items() if name in data} == data
    assert forms.body_of(ANY, content_type, body, said.files, max_depth=20) == said


TYPES = st.sampled_from(
    [URLENCODED, MULTIPART, PLAIN, "application/json", "", f"{URLENCODED}; charset=shift_jis"]
)
PIECES = st.sampled_from(
    [
        b"--" + BOUNDARY.encode(),
        b"--",
        b"\r\n",
        b"\n",
        b"a=",
        b"&",
        b"[b]",
        b"[]",
        b"%",
        b"\xff",
        b'{"a":',
        b"}",
        b"_charset_=",
        b"utf-8",
        b'Content-Disposition: form-data; name="a"',
        b'; filename="x"',
    ]
)


@given(TYPES, st.lists(PIECES | st.binary(max_size=3), max_size=25).map(b"".join))
@settings(deadline=None)
def test_no_bytes_make_it_fail(content_type: str, raw: bytes) -> None:
    for form in (FORM, NESTED, FILES):
        try:
            fields(content_type, raw, form)
        except Refused as error:
            assert error.status in (400, 413, 415, 422)
