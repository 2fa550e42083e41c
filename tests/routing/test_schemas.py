"""JSON Schemas: what is wrong and where, formats, references to files only, and bounds on every
check.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from growth import check_growth
from hostile_json import arrays_of_one_hash
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tables import for_each

from bridge.core.errors import CompileError
from bridge.routing.schemas import fast_check, keywords
from bridge.routing.schemas.validator import compile_schema

FILES = {
    "schemas/issue.json": {
        "properties": {
            "user": {"$ref": "user.json#/$defs/user"},
            "self": {"$ref": "#/properties/user"},
        }
    },
    "schemas/user.json": {"$defs": {"user": {"type": "string", "minLength": 2}}},
    "schemas/up.json": {"$ref": "../top.json"},
    "top.json": {"type": "integer"},
    "schemas/out.json": {"$ref": "../../etc/passwd"},
    "schemas/bad.json": {"type": "strin"},
    "schemas/loop_a.json": {"$ref": "loop_b.json"},
    "schemas/loop_b.json": {"$ref": "loop_a.json"},
    "schemas/list.json": [],
    "schemas/id.json": {
        "$id": "https://example.com/id.json",
        "$defs": {"n": {"type": "integer"}},
        "$ref": "#/$defs/n",
    },
}


def resolve(name):
    if name not in FILES:
        raise CompileError(f"cannot read {name}: no such file or directory")
    return FILES[name]


INVALID = [
    ({"type": "integer"}, "5", [("$", "'5' is not of type integer")]),
    ({"type": ["integer", "null"]}, [], [("$", "array is not of type integer or null")]),
    (
        {"required": ["a", "b"]},
        {},
        [("$", "'a' is a required property"), ("$", "'b' is a required property")],
    ),
    (
        {"properties": {"a b": {"type": "null"}}},
        {"a b": 1},
        [("$['a b']", "1 is not of type null")],
    ),
    ({"items": {"minimum": 3}}, [5, 1], [("$[1]", "1 is less than the minimum of 3")]),
    (
        {"additionalProperties": False, "properties": {"a": {}}},
        {"a": 1, "b": 2},
        [("$", "has unknown properties: 'b'")],
    ),
    ({"enum": ["a", 1]}, "b", [("$", "'b' is not one of 'a', 1")]),
    ({"enum": [1]}, True, [("$", "true is not one of 1")]),
    ({"const": {"a": 1}}, 5, [("$", "5 is not object")]),
    ({"maxLength": 2}, "abc", [("$", "is too long: 3 characters, at most 2")]),
    ({"pattern": "^a+$"}, "b", [("$", "does not match the pattern")]),
    ({"format": "date-time"}, "yesterday", [("$", "'yesterday' is not a valid date-time")]),
    ({"uniqueItems": True}, [1, 2, 1.0], [("$", "has repeated elements")]),
    ({"multipleOf": 0.01}, 19.995, [("$", "19.995 is not a multiple of 0.01")]),
    ({"multipleOf": 3}, 1e308, [("$", "1e+308 is not a multiple of 3")]),
    ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, 1, None),
    ({"not": {}}, 1, [("$", "fits a schema that it must not fit")]),
    (False, 1, [("$", "fits a schema that it must not fit")]),
    ({"minItems": 1}, [], [("$", "has too few elements: 0, at least 1")]),
    ({"unevaluatedProperties": False}, {"a": 1}, [("$", "has properties that no schema allows")]),
    ({"prefixItems": [{"type": "string"}], "items": False}, ["a", 1], None),
    (
        {"patternProperties": {"^x": {"type": "integer"}}},
        {"x1": "a"},
        [("$.x1", "'a' is not of type integer")],
    ),
    (
        {"patternProperties": {"^x": {}}, "additionalProperties": {"type": "null"}},
        {"x": 1, "y": 1},
        [("$.y", "1 is not of type null")],
    ),
]


@pytest.mark.parametrize(
    ("schema", "value", "errors"), INVALID, ids=[str(row[0]) for row in INVALID]
)
@pytest.mark.parametrize("fast", [True, False])
def test_what_is_wrong_and_where(schema, value, errors, fast):
    found = compile_schema(schema, fast=fast).errors(value)
    assert found if errors is None else found == errors


VALID = [
    (True, 1),
    ({}, {"a": [1]}),
    ({"type": "integer"}, 5.0),
    ({"uniqueItems": True}, [1, True, "1", [1], [True], {"a": 1}, {"a": True}]),
    ({"multipleOf": 0.01}, 19.99),
    ({"multipleOf": 0.1}, 0.3),
    ({"multipleOf": 0.01}, 1e308),
    ({"multipleOf": 2}, 4.0),
    ({"multipleOf": 2}, True),
    ({"format": "unheard-of"}, "x"),
    ({"format": "iri"}, "https://exämple.com/ü"),
    ({"format": "uri"}, 5),
    ({"pattern": "^a"}, 5),
    ({"enum": [1]}, 1.0),
]


@pytest.mark.parametrize(("schema", "value"), VALID, ids=[str(row[0]) for row in VALID])
@pytest.mark.parametrize("fast", [True, False])
def test_valid(schema, value, fast):
    assert compile_schema(schema, fast=fast).errors(value) == []


FORMATS = {
    "date-time": ("2026-01-01T00:00:00Z", "2026-01-01"),
    "date": ("2026-01-01", "01.01.2026"),
    "time": ("12:00:00Z", "noon"),
    "duration": ("P1D", "1 day"),
    "email": ("a@b.c", "a"),
    "idn-email": ("zoë@exämple.com", "a b@c"),
    "hostname": ("example.com", "-x-"),
    "idn-hostname": ("exämple.com", "-x-"),
    "ipv4": ("1.2.3.4", "1.2.3"),
    "ipv6": ("::1", "1"),
    "uri": ("https://example.com/", "not a uri"),
    "uri-reference": ("/a/b", "\\\\x"),
    "iri": ("https://example.com/ü", "not an iri"),
    "iri-reference": ("/ü", "a b"),
    "uuid": ("12345678-1234-1234-1234-123456789012", "1234"),
    "json-pointer": ("/a/b", "a"),
    "regex": ("^a$", "("),
    "uri-template": ("/a/{b}", "/a/{b"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_checked(name):
    schema = compile_schema({"format": name})
    good, bad = FORMATS[name]
    assert schema.errors(good) == []
    assert schema.errors(bad) != []


NO_ADDRESS = (
    "a@b.c, d@e.f",
    "Ann <a@b.c>",
    "a@b@c",
    "a@-b.c",
    "a@b..c",
    "a@b.c\n",
    "a\r\nBcc: x@y.z",
    "@b.c",
    "a@",
    '"a b"@c',
)


@pytest.mark.parametrize("text", NO_ADDRESS)
@pytest.mark.parametrize("name", ["email", "idn-email"])
def test_an_address_is_one_address(name, text):
    assert compile_schema({"format": name}).errors(text) != []


PIECES = ["a", "(", "1", ".", "/", "%", "a.", "{", "::", "P1", "ü", "(a*)*", "\ud800", "\0"]


@for_each("name, piece", product(FORMATS, PIECES))
def test_no_text_hangs_or_breaks_a_format(name, piece):
    schema = compile_schema({"format": name})
    for count in (1, 3900 // len(piece), 100_000):
        schema.errors(piece * count)


@pytest.mark.parametrize("name", FORMATS)
def test_the_time_of_a_format_grows_with_the_text_only(name):
    """Above the length at which texts are cut: below it, a format may take the square of the
    length.
    """
    schema = compile_schema({"format": name})

    def prepare(size):
        texts = [piece * (size // len(piece)) for piece in PIECES]
        return lambda: [schema.errors(text) for text in texts]

    check_growth(prepare, 4_500)


def test_at_most_ten_errors_in_order():
    schema = compile_schema({"items": {"type": "string"}})
    found = schema.errors(list(range(50)))
    assert len(found) == 10
    assert found == sorted(found)
    assert found == schema.errors(list(range(50)))


def test_messages_are_short_and_do_not_quote_long_values():
    schema = compile_schema(
        {
            "type": "object",
            "properties": {"x": {"enum": ["a" * 50] * 20}},
            "additionalProperties": False,
        }
    )
    secret = "s3cret" * 20
    for value in (secret, {"x": secret}, {secret: 1}, [secret]):
        for path, message in schema.errors(value):
            assert len(message) <= 200
            assert len(path) <= 200
            assert secret not in message


SCHEMAS = [
    ({"type": "strin"}, ("type",), "not a JSON Schema"),
    (
        {"properties": {"a": {"minimum": "x"}}},
        ("properties", "a", "minimum"),
        "'x' is not of type number",
    ),
    ({"pattern": "("}, ("pattern",), "not a regular expression"),
    ({"properties": {"a": {"pattern": "(?=x)"}}}, ("properties", "a", "pattern"), "bounded time"),
    ({"patternProperties": {"(": {}}}, ("patternProperties", "("), "not a"),
    ({"$schema": "http://example.com/own"}, ("$schema",), "an unknown draft"),
    ({"$schema": 5}, ("$schema",), "an unknown draft"),
    ({"$ref": "http://example.com/a.json"}, ("$ref",), "never a URL"),
    ({"$ref": "https://example.com/a.json"}, ("$ref",), "never a URL"),
    ({"$ref": "file:///etc/passwd"}, ("$ref",), "never a URL"),
    ({"$ref": "//example.com/a.json"}, ("$ref",), "never a URL"),
    ({"$ref": "/etc/passwd"}, ("$ref",), "leads out of the folder"),
    ({"$ref": "../a.json"}, ("$ref",), "leads out of the folder"),
    ({"$ref": "schemas/../../a.json"}, ("$ref",), "leads out of the folder"),
    ({"$ref": "%2e%2e/a.json"}, ("$ref",), "leads out of the folder"),
    ({"$id": "https://example.com/x/", "$ref": "a.json"}, ("$ref",), "never a URL"),
    ({"items": {"$ref": "nope.json"}}, ("items", "$ref"), "no such file"),
    ({"$ref": "#/$defs/nope"}, ("$ref",), "cannot be resolved"),
    ({"$ref": "#"}, ("$ref",), "cannot be resolved"),
    ({"$ref": "#/x-word", "x-word": "text"}, ("$ref",), "cannot be resolved"),
    ({"$ref": "schemas/user.json#/nope"}, ("$ref",), "cannot be resolved"),
    ({"$ref": "schemas/out.json"}, (), "in schemas/out.json: $ref `../../etc/passwd` leads out"),
    ({"$ref": "schemas/bad.json"}, ("$ref",), "not a JSON Schema"),
    ({"$ref": "schemas/list.json"}, ("$ref",), "not a JSON Schema"),
    ({"$ref": "schemas/loop_a.json"}, ("$ref",), "cannot be resolved"),
    ([], (), "a JSON Schema is a mapping"),
    ("text", (), "a JSON Schema is a mapping"),
    ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, (), "not supported"),
]


@pytest.mark.parametrize(
    ("schema", "path", "message"), SCHEMAS, ids=[str(row[0]) for row in SCHEMAS]
)
def test_schemas_that_cannot_be_used_say_why(schema, path, message):
    with pytest.raises(CompileError) as caught:
        compile_schema(schema, resolve)
    assert any(
        found[: len(path)] == path and message in text for found, text in caught.value.problems
    ), caught.value.problems


def test_a_schema_that_is_too_deep_or_too_big_is_refused():
    deep: dict = {}
    for _ in range(500):
        deep = {"items": deep}
    for schema in (deep, {"properties": {str(n): {} for n in range(30_000)}}):
        with pytest.raises(CompileError, match="too big"):
            compile_schema(schema)


def test_references_lead_to_files_under_the_folder():
    schema = compile_schema(FILES["schemas/issue.json"], resolve, "schemas/issue.json")
    assert schema.errors({"user": "x"}) == [("$.user", "is too short: 1 characters, at least 2")]
    assert schema.errors({"self": "x"}) != []
    assert schema.errors({"user": "xy"}) == []
    assert compile_schema({"$ref": "schemas/issue.json"}, resolve).errors({"user": 5}) == [
        ("$.user", "5 is not of type string")
    ]
    assert compile_schema({"$ref": "schemas/up.json"}, resolve).errors("x") == [
        ("$", "'x' is not of type integer")
    ]
    assert compile_schema(FILES["schemas/id.json"], resolve, "schemas/id.json").errors("x") != []


def test_nothing_is_fetched(monkeypatch):
    import urllib.request

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_: pytest.fail("fetched"))
    with pytest.raises(CompileError):
        compile_schema({"$ref": "http://127.0.0.1:1/x.json"}, resolve)
    compile_schema({"$ref": "https://json-schema.org/draft/2020-12/schema"}).errors({"type": 5})


def test_older_drafts_are_read_as_such():
    schema = compile_schema(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": [{"type": "string"}],
            "additionalItems": False,
        }
    )
    assert schema.errors(["a"]) == []
    assert schema.errors([1]) != []
    assert schema.errors(["a", "b"]) != []


HOSTILE = [
    ({"uniqueItems": True}, lambda size: [{"a": n, "b": [n]} for n in range(size)], 2_000),
    ({"items": {}, "uniqueItems": True}, arrays_of_one_hash, 250),
    ({"pattern": "^(a+)+$"}, lambda size: "a" * size + "b", 249),
    ({"pattern": "^(a+)+$"}, lambda size: "a" * size, 250_000),
    (
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        lambda size: {"a" * size + "b": 1},
        1_250,
    ),
    ({"propertyNames": {"pattern": "(x+x+)+y"}}, lambda size: {"x" * size: 1}, 225),
    ({"format": "regex"}, lambda size: "(" * size, 750),
]


@pytest.mark.parametrize(
    ("schema", "payload", "size"), HOSTILE, ids=[str(row[0]) for row in HOSTILE]
)
def test_no_payload_makes_a_check_slow(schema, payload, size):
    compiled = compile_schema(schema)

    def prepare(size):
        value = payload(size)
        return lambda: compiled.errors(value)

    check_growth(prepare, size)


def test_a_pattern_is_checked_on_a_thousand_characters():
    assert compile_schema({"pattern": "a"}).errors("a" * 1001) == [
        ("$", "is longer than the 1000 characters that a pattern is checked on")
    ]


def test_recursion_is_bounded(monkeypatch):
    either = {"items": {"$ref": "#/$defs/x"}, "type": "array"}
    schema = compile_schema(
        {"$defs": {"x": {"anyOf": [either, {**either, "minItems": 1}]}}, "$ref": "#/$defs/x"}
    )
    value: object = 1
    for _ in range(90):
        value = [value]
    monkeypatch.setattr(keywords, "MAX_REFERENCES", 1_000)  # else it takes seconds
    assert schema.errors(value) == [
        ("$", "nests too deep, or the schema refers to itself without end")
    ]
    assert compile_schema({"allOf": [{"$ref": "#"}]}).errors(1) == [
        ("$", "nests too deep, or the schema refers to itself without end")
    ]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=8,
)
schemas = st.recursive(
    st.sampled_from(
        [
            {},
            {"type": "integer"},
            {"type": ["string", "null"]},
            {"minLength": 2},
            {"maximum": 3},
            {"enum": [1, "a", None, [True]]},
            {"const": 1.0},
            {"required": ["a"]},
            {"minItems": 2},
            {"$ref": "#/$defs/d"},
            {"maxProperties": 1},
            {"exclusiveMinimum": 0},
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda s: {"properties": {"a": s}, "additionalProperties": False}),
        inner.map(lambda s: {"items": s}),
        inner.map(lambda s: {"not": s}),
        st.lists(inner, min_size=1, max_size=3).map(lambda s: {"anyOf": s}),
        st.lists(inner, min_size=1, max_size=3).map(lambda s: {"oneOf": s}),
        st.lists(inner, min_size=1, max_size=2).map(lambda s: {"prefixItems": s, "items": False}),
        st.tuples(inner, inner).map(lambda s: {"if": s[0], "then": s[1]}),
    ),
    max_leaves=5,
)


narrowing = st.recursive(
    st.sampled_from(
        [
            {"type": ["number", "boolean"]},
            {"type": "array"},
            {"enum": ["a", "", None, 0, False]},
            {"const": "a"},
            {"const": None},
            {"minLength": 1, "maxLength": 2.0},
            {"minimum": -1, "exclusiveMaximum": 2.5},
            {"minItems": 1, "maxItems": 2},
            {"minProperties": 1, "maxProperties": 2, "title": "x"},
            {"required": ["a", "b"], "type": "object"},
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner | st.booleans()).map(
            lambda s: {"properties": {"a": s[0]}, "additionalProperties": s[1]}
        ),
        inner.map(lambda s: {"items": s}),
        st.lists(inner | st.booleans(), min_size=1, max_size=3).map(lambda s: {"anyOf": s}),
        st.lists(inner, min_size=1, max_size=2).map(lambda s: {"allOf": s}),
    ),
    max_leaves=5,
)


@pytest.mark.usefixtures("slow")
@given(schemas | narrowing, values)
@settings(max_examples=1000, deadline=None)
def test_jsonschema_decides(schema, value):
    document = {**schema, "$defs": {"d": {"type": "integer"}}}
    assert compile_schema(document).errors(value) == compile_schema(document, fast=False).errors(
        value
    )


@pytest.mark.parametrize(
    "keyword",
    [
        {"pattern": "a"},
        {"format": "date"},
        {"multipleOf": 0.1},
        {"oneOf": [{}]},
        {"not": {}},
        {"if": {}},
        {"items": {"$ref": "#"}},
    ],
)
def test_jsonschema_alone_checks_the_other_keywords(keyword):
    assert compile_schema(keyword).accepts is None


@pytest.mark.usefixtures("slow")
@given(schemas | narrowing, values)
@settings(max_examples=1000, deadline=None)
def test_what_is_plainly_valid_is_valid(schema, value):
    accepts = fast_check.compile_acceptor(schema)
    assume(accepts is not None)
    if accepts(value):
        assert compile_schema(schema, fast=False).errors(value) == []


@pytest.mark.parametrize(
    ("schema", "value", "errors"), INVALID, ids=[str(row[0]) for row in INVALID]
)
def test_what_is_invalid_is_not_accepted(schema, value, errors):
    accepts = compile_schema(schema).accepts
    assert accepts is None or not accepts(value)


def test_the_usual_payload_is_plainly_valid():
    person = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"minimum": 0}},
    }
    schema = {
        "type": "object",
        "properties": {
            "people": {"type": "array", "minItems": 1, "items": person},
            "kind": {"enum": ["a", None]},
            "n": {"const": "x"},
        },
        "additionalProperties": {"type": ["number", "null"]},
        "anyOf": [{"required": ["kind"]}, {"required": ["other"]}],
        "allOf": [True, {"maxProperties": 4}],
    }
    accepts = fast_check.compile_acceptor(schema)
    assert accepts({"people": [{"name": "Ann", "age": 3}], "kind": None, "n": "x", "more": 1.5})
    assert not accepts({"people": [{"name": "Annabel"}], "kind": "a"})
    assert not accepts({"people": [], "kind": "a"})
    assert not accepts({"people": [{"name": "Ann", "age": -1}], "kind": "a"})
    assert not accepts({"kind": "a", "more": True})
    assert not accepts({"n": "x"})


@pytest.mark.parametrize(
    "text",
    [
        "P4DT12H30M5S",
        "P4Y",
        "PT0S",
        "P0D",
        "P1M",
        "PT1M",
        "PT36H",
        "P1DT12H",
        "P2W",
        "P1Y2M3DT4H5M6S",
    ],
)
def test_a_duration_is_one(text):
    assert compile_schema({"format": "duration"}).errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "PT1D",
        "4DT12H30M5S",
        "P",
        "P1YT",
        "PT",
        "P2D1Y",
        "P1D2H",
        "P2S",
        "P1Y2W",
        "P1",
        "P১Y",
        "P1Y2D",
        "PT1H3S",
        "P1.5D",
        "-P1D",
    ],
)
def test_a_duration_is_none(text):
    assert compile_schema({"format": "duration"}).errors(text) != []


@pytest.mark.usefixtures("new_processes")
def test_the_library_is_loaded_without_its_slow_grammar():
    program = (
        "import sys; from bridge.routing.schemas.validator import compile_schema; assert"
        " 'jsonschema' not in sys.modules\n"
    )
    program += (
        "compile_schema({'format': 'iri'}).errors('x'); assert not {'lark', 'arrow'} &"
        " set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
