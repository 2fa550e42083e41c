"""The answers of every form service become one flat object."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from folders import DOCS
from hypothesis import given
from hypothesis import strategies as st
from records import NOW, make_event

from bridge.config.loader import check
from bridge.core.http_messages import Request
from bridge.core.model import Body
from bridge.ingest.bodies import decode
from bridge.providers import form_fields
from bridge.providers.form_fields import MAX_LABEL_CHARACTERS, MAX_LABELS, flatten_answers
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.providers.signatures.scheme import Secret
from bridge.routing.planner import build_context

HAVE = [name for name, row in PROVIDERS.items() if row.fields is not None]
ZOE = "Zoë Lindqvist"
#: what each row's own sample says
SAMPLES: dict[str, dict[str, Any]] = {
    "typeform": {
        "What is your name?": ZOE,
        "Your e-mail?": "zoe.lindqvist@example.com",
        "plot": "north-7",
    },
    "tally": {"Name": ZOE, "E-mail": "zoe.lindqvist@example.com", "Plots": 2},
    "jotform": {
        "name first": "Zoë",
        "name last": "Lindqvist",
        "email": "zoe.lindqvist@example.com",
    },
    "fillout": {"Name": ZOE, "E-mail": "zoe.lindqvist@example.com"},
    "google_forms": {"Name": ZOE, "E-mail": "zoe.lindqvist@example.com"},
    "formstack": {
        "Name first": "Zoë",
        "Name last": "Lindqvist",
        "Email": "zoe.lindqvist@example.com",
    },
    "webflow": {
        "Name": ZOE,
        "email": "zoe.lindqvist@example.com",
        "message": "Can someone look at bed 7?",
    },
    "cal_com": {"your_name": ZOE},
    "calendly": {"name": ZOE, "email": "zoe.lindqvist@example.com", "What is it about?": "Bed 7"},
    "hubspot": {},
}


@pytest.mark.parametrize("name", HAVE)
def test_the_samples(name: str) -> None:
    made = sample(name, now=NOW, new_id="1")
    body = decode(made.headers["content-type"], made.body, max_depth=100)
    assert (
        build_context(make_event(provider=name, source=name), body, NOW)["fields"] == SAMPLES[name]
    )


def test_of_a_form_they_are_the_form_and_of_others_nothing() -> None:
    fields = {"name": ZOE}
    assert (
        build_context(make_event(provider="form"), Body(value=fields, form=fields), NOW)["fields"]
        == fields
    )
    assert build_context(make_event(), Body(value={"action": "opened"}), NOW)["fields"] is None


def test_typeform_has_every_kind_of_answer() -> None:
    """The kinds of https://www.typeform.com/developers/webhooks/example-payload/."""
    kinds = [
        ("text", "Not happy", "Not happy"),
        ("email", "an@example.com", "an@example.com"),
        ("url", "https://example.com", "https://example.com"),
        ("number", 3, 3),
        ("boolean", False, False),
        ("date", "2026-11-24", "2026-11-24"),
        ("phone_number", "+4930123456", "+4930123456"),
        ("file_url", "https://example.com/f.pdf", "https://example.com/f.pdf"),
        ("choice", {"label": "Red"}, "Red"),
        ("choice", {"other": "Teal"}, "Teal"),
        ("choices", {"labels": ["Red", "Blue"], "other": "Teal"}, ["Red", "Blue", "Teal"]),
        ("payment", {"amount": "1.00", "last4": "4242"}, {"amount": "1.00", "last4": "4242"}),
    ]
    definition = {"fields": [{"id": f"f{n}", "title": f"Question {n}"} for n in range(len(kinds))]}
    answers = [
        {"type": kind, kind: said, "field": {"id": f"f{n}", "ref": f"ref{n}"}}
        for n, (kind, said, _) in enumerate(kinds)
    ]
    expected: dict[str, Any] = {f"Question {n}": want for n, (_, _, want) in enumerate(kinds)}
    paid = expected.pop("Question 11")
    expected |= {f"Question 11 {part}": value for part, value in paid.items()}
    assert (
        form_fields.typeform({"form_response": {"definition": definition, "answers": answers}})
        == expected
    )
    # without the questions
    assert form_fields.typeform({"form_response": {"answers": answers[:1]}}) == {
        "ref0": "Not happy"
    }


def test_tally_has_the_texts_of_choices() -> None:
    options = [{"id": "a1", "text": "Red"}, {"id": "b2", "text": "Blue"}]
    fields = [
        {
            "key": "q1",
            "label": "Colour",
            "type": "MULTIPLE_CHOICE",
            "value": ["b2"],
            "options": options,
        },
        {
            "key": "q2",
            "label": "Colours",
            "type": "CHECKBOXES",
            "value": ["a1", "b2"],
            "options": options,
        },
        {"key": "q2_a1", "label": "Colours (Red)", "type": "CHECKBOXES", "value": True},
        {"key": "q3", "label": None, "type": "INPUT_TEXT", "value": "no label"},
        {
            "key": "q4",
            "label": "Photo",
            "type": "FILE_UPLOAD",
            "value": [{"id": "x", "name": "a.png", "url": "https://example.com/a.png"}],
        },
        {"key": "q5", "label": "Left empty", "type": "INPUT_TEXT", "value": None},
    ]
    assert form_fields.tally({"data": {"fields": fields}}) == {
        "Colour": "Blue",
        "Colours": ["Red", "Blue"],
        "q3": "no label",
        "Photo": ["https://example.com/a.png"],
    }


def test_jotform_joins_parts_of_digits() -> None:
    raw = {
        "q5_date": {"year": "2026", "month": "11", "day": "24"},
        "q6_many": ["a", "b"],
        "slug": "submit/1",
        "event_id": "x",
    }
    assert form_fields.jotform({"rawRequest": orjson.dumps(raw).decode()}) == {
        "date": "2026-11-24",
        "many": ["a", "b"],
    }


def test_formstack_with_its_types() -> None:
    body = {
        "FormID": "1",
        "UniqueID": "2",
        "HandshakeKey": "k",
        "Name": {"first": "Zoë", "field_type": "name"},
        "Email": {"value": "z@example.com", "field_type": "email"},
    }
    assert form_fields.formstack(body) == {"Name first": "Zoë", "Email": "z@example.com"}


def test_labels_are_unique_and_bounded() -> None:
    assert flatten_answers([("A", 1), ("A", 2), ("A", 3), ("  ", 4), (5, 6)]) == {
        "A": 1,
        "A (2)": 2,
        "A (3)": 3,
    }
    assert [len(label) for label in flatten_answers([("x" * 5000, "y")])] == [MAX_LABEL_CHARACTERS]
    assert len(flatten_answers((str(n), n) for n in range(5000))) == MAX_LABELS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "form_response",
        "answers",
        "definition",
        "fields",
        "field",
        "id",
        "type",
        "choices",
        "labels",
        "data",
        "options",
        "value",
        "label",
        "rawRequest",
        "submission",
        "questions",
        "payload",
        "responses",
        "choice",
    ]
)
near_misses = st.recursive(
    json_values,
    lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@given(near_misses)
def test_any_other_shape_is_left_out_and_never_an_error(body: Any) -> None:
    for name in HAVE:
        read = PROVIDERS[name].fields
        assert read is not None
        found = read(body)
        assert all(isinstance(label, str) for label in found)
        assert all(not isinstance(value, dict) for value in found.values())


def test_a_route_of_a_service_for_forms_needs_no_inputs(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("""version: 1
platforms: {local: {type: local}}
sources:
  t: {provider: tally, secret: 0123456789abcdef}
  g: {provider: github, secret: 0123456789abcdef}
routes:
  - {name: a, on: t, flow: local/echo}
  - {name: b, on: g, flow: local/echo}
""")
    assert [str(problem) for problem in check(path, {})[1] if problem.level == "error"] == [
        f"{path}:8:5: routes[b].inputs: `inputs` is missing; write a mapping, or inputs: ${{body}}"
        " for the whole payload (only forms, and services for forms, have a default)"
    ]


STUBS = """
const {createHmac} = require('crypto')
const sent = []
const PropertiesService = {getScriptProperties: () => ({getProperty: () => 'a secret of the script'})}
const Utilities = {
  Charset: {UTF_8: 'utf8'}, sleep: () => {},
  computeHmacSha256Signature: (text, key, charset) => [...new Int8Array(createHmac('sha256', key).update(text, charset).digest())],
}
const UrlFetchApp = {fetch: (url, how) => (sent.push(how), {getResponseCode: () => sent.length < 3 ? 503 : 202, getContentText: () => ''})}
"""
CALL = """
onResponse({
  source: {getId: () => 'form-1'},
  response: {
    getId: () => 'response-1', getTimestamp: () => new Date(0), getRespondentEmail: () => '',
    getItemResponses: () => [{getItem: () => ({getTitle: () => 'Name'}), getResponse: () => 'Zo\u00eb'}],
  },
})
console.log(JSON.stringify(sent))
"""


@pytest.mark.usefixtures("new_processes")
def test_requests_of_the_script_for_google_forms_are_verified() -> None:
    """The script of the documentation, in Node.js, with stand-ins for what Google has."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    page = (DOCS / "connect.md").read_text("utf-8")
    script = page.split("```javascript\n")[1].split("```")[0]
    done = subprocess.run(
        ["node", "-"],
        input=STUBS + script + CALL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    sent = json.loads(done.stdout)
    assert len(sent) == 3  # a 503 is tried again
    body = sent[-1]["payload"].encode()
    request = Request(
        method="POST",
        path="/hooks/survey",
        headers={"x-signature": sent[-1]["headers"]["X-Signature"]},
        body=body,
    )
    row = PROVIDERS["google_forms"]
    assert row.scheme is not None
    assert row.fields is not None
    row.scheme.verify(request, (Secret("a secret of the script", None),), NOW)
    assert row.fields(orjson.loads(body)) == {"Name": "Zoë"}
